//! What operators ask: is it alive, is it ready, what does it count, reload;
//! and what they order of its logs.

pub(crate) mod approvals;
pub(crate) mod orders;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use metrics_exporter_prometheus::PrometheusHandle;
use subtle::ConstantTimeEq;
use tokio::sync::{mpsc, oneshot};
use troth_attest::Log;

use approvals::Decision;
use orders::{Order, Refused};

use crate::{
    body::{Body, BoxError, full},
    config::Secret,
    rescue,
    server::InForce,
};

/// The admin service.
#[derive(Clone)]
pub(crate) struct AdminService {
    /// What is in force.
    pub(crate) in_force: InForce,
    /// Where `POST /reload` goes.
    pub(crate) reload: mpsc::Sender<oneshot::Sender<Result<String, String>>>,
    /// The counters.
    pub(crate) metrics: PrometheusHandle,
    /// The token of a TCP listener; a socket is guarded by its mode.
    pub(crate) token: Option<Secret>,
}

impl AdminService {
    /// Answers one request.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        if !self.allowed(request.headers()) {
            return rescue::problem_response(
                StatusCode::UNAUTHORIZED,
                "the admin token is missing or wrong",
                "unauthorized",
            );
        }
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/healthz") => text("ok\n".to_owned()),
            (&Method::GET, "/readyz") => self.ready(),
            (&Method::GET, "/metrics") => {
                self.gauge();
                text(self.metrics.render())
            }
            (&Method::GET, "/version") => self.version(),
            (&Method::POST, "/reload") => self.reload().await,
            (&Method::GET, approvals::PATH) => {
                json(&approvals::all(&self.in_force.load().shared.desk))
            }
            (&Method::GET, path) if approvals::id_in(path).is_some() => {
                let id = approvals::id_in(path).unwrap_or_default();
                answered(approvals::one(&self.in_force.load().shared.desk, id))
            }
            (&Method::POST, approvals::PATH) => answered(self.decide(request.into_body()).await),
            (&Method::POST, path) if Order::is_path(path) => {
                let path = path.to_owned();
                answered(self.order(&path, request.into_body()).await)
            }
            _ => rescue::problem_response(
                StatusCode::NOT_FOUND,
                "GET /healthz, /readyz, /metrics, /version, /approvals; POST /reload, /approvals, \
                 /erase, /statement",
                "unknown_path",
            ),
        }
    }

    /// Reads an order, within its bounds, and has it carried out.
    async fn order<B>(&self, path: &str, body: B) -> Result<serde_json::Value, Refused>
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let order = Order::parse(path, &read(body).await?)?;
        let log = self.log(order.origin())?;
        blocking(move || order.carry_out(&log)).await
    }

    /// Reads an approver's decision, and has it logged and counted.
    async fn decide<B>(&self, body: B) -> Result<serde_json::Value, Refused>
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        let order = Decision::parse(&read(body).await?)?;
        let log = self.log(order.origin())?;
        let gateway = self.in_force.load_full();
        blocking(move || order.carry_out(&gateway, &log)).await
    }

    /// The log of this origin.
    fn log(&self, origin: &str) -> Result<Log, Refused> {
        let gateway = self.in_force.load();
        let mut logs = gateway.config.logs.iter().zip(&gateway.evidence);
        let found = logs.find(|(settings, _)| settings.origin == origin);
        found.map(|(_, evidence)| evidence.log.clone()).ok_or_else(|| {
            let why = "this proxy writes no log of this origin";
            Refused::new(StatusCode::NOT_FOUND, "unknown_log", why)
        })
    }

    fn allowed(&self, headers: &HeaderMap) -> bool {
        let Some(Secret(token)) = &self.token else { return true };
        let presented = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let presented = presented.and_then(|value| value.strip_prefix(b"Bearer "));
        presented.is_some_and(|presented| presented.ct_eq(token.as_bytes()).into())
    }

    fn ready(&self) -> Response<Body> {
        let gateway = self.in_force.load();
        let logs: Vec<_> = gateway
            .config
            .logs
            .iter()
            .zip(&gateway.evidence)
            .map(|(settings, evidence)| {
                let status = evidence.log.status();
                serde_json::json!({
                    "name": settings.name,
                    "size": status.size,
                    "published_size": status.published_size,
                    "queue_depth": status.queue_depth,
                    "failed": status.failed,
                })
            })
            .collect();
        let providers: Vec<_> = gateway
            .screener
            .models()
            .iter()
            .flat_map(|models| models.classifiers.models())
            .map(|model| {
                let provider = model.provider.map(|provider| provider.as_str());
                serde_json::json!({
                    "name": model.name, "version": model.version, "provider": provider,
                })
            })
            .collect();
        let ready = gateway.evidence.iter().all(|evidence| evidence.log.status().failed.is_none());
        let body = serde_json::json!({
            "ready": ready,
            "bundle": { "name": gateway.screener.bundle().name(),
                        "digest": hex::encode(gateway.screener.bundle().digest()) },
            "models": providers,
            "logs": logs,
        });
        let mut response = json(&body);
        if !ready {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        response
    }

    fn gauge(&self) {
        let gateway = self.in_force.load();
        let bytes = u32::try_from(gateway.shared.budget.used()).unwrap_or(u32::MAX);
        metrics::gauge!("troth_buffered_bytes").set(f64::from(bytes));
        let free = gateway.shared.exchanges.available_permits();
        let busy = gateway.limits().exchanges.saturating_sub(free);
        metrics::gauge!("troth_exchanges_under_way")
            .set(f64::from(u32::try_from(busy).unwrap_or(u32::MAX)));
        let held = u32::try_from(gateway.shared.desk.len()).unwrap_or(u32::MAX);
        metrics::gauge!("troth_approvals_on_the_desk").set(f64::from(held));
    }

    fn version(&self) -> Response<Body> {
        let gateway = self.in_force.load();
        json(&serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "configuration": gateway.config.digest,
            "bundle": hex::encode(gateway.screener.bundle().digest()),
        }))
    }

    async fn reload(&self) -> Response<Body> {
        let (answer, answered) = oneshot::channel();
        let asked = self.reload.send(answer).await.is_ok();
        let result = if asked { answered.await.ok() } else { None };
        match result {
            Some(Ok(what)) => text(format!("{what}\n")),
            Some(Err(why)) => {
                rescue::problem_response(StatusCode::UNPROCESSABLE_ENTITY, &why, "not_reloaded")
            }
            None => rescue::problem_response(
                StatusCode::SERVICE_UNAVAILABLE,
                "the proxy is stopping",
                "stopping",
            ),
        }
    }
}

impl std::fmt::Debug for AdminService {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AdminService").finish_non_exhaustive()
    }
}

/// Reads an order, within its bounds.
async fn read<B>(body: B) -> Result<Bytes, Refused>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let bad = |status, why: &str| Refused::new(status, "bad_order", why);
    let body = tokio::time::timeout(ORDER_TIMEOUT, Limited::new(body, ORDER_BYTES).collect())
        .await
        .map_err(|_| bad(StatusCode::REQUEST_TIMEOUT, "the order did not come in time"))?
        .map_err(|fault| {
            if fault.is::<LengthLimitError>() {
                bad(StatusCode::PAYLOAD_TOO_LARGE, "an order is at most 32 KiB")
            } else {
                bad(StatusCode::BAD_REQUEST, "the order ended before its end")
            }
        })?;
    Ok(body.to_bytes())
}

/// What waits for the disk does not wait on a thread that others need. Once
/// begun it goes on, also when the one who asked leaves.
async fn blocking(
    order: impl FnOnce() -> Result<serde_json::Value, Refused> + Send + 'static,
) -> Result<serde_json::Value, Refused> {
    let done = tokio::task::spawn_blocking(order).await;
    done.unwrap_or_else(|_| {
        let why = "the order failed in the proxy";
        Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", why))
    })
}

fn answered(answer: Result<serde_json::Value, Refused>) -> Response<Body> {
    match answer {
        Ok(done) => json(&done),
        Err(refused) => rescue::problem_response(refused.status, &refused.why, refused.code),
    }
}

fn text(text: String) -> Response<Body> {
    let mut response = Response::new(full(text));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

fn json(value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(full(value.to_string()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// One installed recorder for the process.
///
/// # Errors
/// There is one already.
pub(crate) fn recorder() -> Result<PrometheusHandle, String> {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|fault| fault.to_string())?;
    Ok(handle)
}

/// Keeps the type of the channel in one place.
pub(crate) type Reload = oneshot::Sender<Result<String, String>>;

/// A statement of 2 KiB, all of it escaped, with room.
const ORDER_BYTES: usize = 32 * 1024;
const ORDER_TIMEOUT: Duration = Duration::from_secs(10);
