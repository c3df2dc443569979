//! What operators ask: is it alive, is it ready, what does it count, reload.

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use subtle::ConstantTimeEq;
use tokio::sync::{mpsc, oneshot};

use crate::{
    body::{Body, full},
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
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<Body> {
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
            _ => rescue::problem_response(
                StatusCode::NOT_FOUND,
                "GET /healthz, /readyz, /metrics, /version; POST /reload",
                "unknown_path",
            ),
        }
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
