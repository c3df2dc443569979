//! What operators order of a log: to forget a day, to take a signed statement.
//! Carried out by the running proxy, over the admin listener, or by the command
//! itself while nothing runs.

use http::StatusCode;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use troth_attest::{AppendError, Day, Erase, EraseError, Erasures, Log, Statement, StatementKind};

/// An order, with the origin of the log that it is for: a name means one log
/// here and another there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// `POST /erase`
    Erase(EraseOrder),
    /// `POST /statement`
    Statement(StatementOrder),
}

/// The body of `POST /erase`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EraseOrder {
    /// The log's origin.
    pub(crate) origin: String,
    /// Whose keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    /// Everybody's; instead of a tenant, never by leaving it out.
    #[serde(default)]
    pub(crate) all_tenants: bool,
    /// The first day, UTC.
    pub(crate) from: String,
    /// The last day.
    pub(crate) to: String,
    /// Why.
    pub(crate) reason: String,
    /// Today may be among them.
    #[serde(default)]
    pub(crate) today: bool,
}

/// The body of `POST /statement`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatementOrder {
    /// The log's origin.
    pub(crate) origin: String,
    /// What it is.
    pub(crate) kind: StatementKind,
    /// What was signed.
    pub(crate) statement: Statement,
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Whose fault it is.
    pub(crate) status: StatusCode,
    /// The same for programs.
    pub(crate) code: &'static str,
    /// The same for people.
    pub(crate) why: String,
}

impl Refused {
    pub(super) fn new(status: StatusCode, code: &'static str, why: impl ToString) -> Self {
        Self { status, code, why: why.to_string() }
    }
}

impl Order {
    /// Where the order is posted to.
    pub(crate) const fn path(&self) -> &'static str {
        match self {
            Self::Erase(_) => ERASE,
            Self::Statement(_) => STATEMENT,
        }
    }

    /// Whether orders are posted to `path`.
    pub(crate) fn is_path(path: &str) -> bool {
        [ERASE, STATEMENT].contains(&path)
    }

    /// Reads an order that was posted to `path`.
    ///
    /// # Errors
    /// It is no order.
    pub(crate) fn parse(path: &str, body: &[u8]) -> Result<Self, Refused> {
        fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
            // The place and the name of a field; never a value.
            serde_json::from_slice(body).map_err(|fault| {
                let (line, column) = (fault.line(), fault.column());
                let why = format!("not an order: near line {line}, column {column}");
                Refused::new(StatusCode::BAD_REQUEST, "bad_order", why)
            })
        }
        match path {
            ERASE => read(body).map(Self::Erase),
            _ => read(body).map(Self::Statement),
        }
    }

    /// The order as it is posted.
    pub(crate) fn body(&self) -> Vec<u8> {
        let body = match self {
            Self::Erase(order) => serde_json::to_vec(order),
            Self::Statement(order) => serde_json::to_vec(order),
        };
        // Strings and numbers only: there is nothing that JSON could refuse.
        body.unwrap_or_default()
    }

    /// The origin of its log.
    pub(crate) fn origin(&self) -> &str {
        match self {
            Self::Erase(order) => &order.origin,
            Self::Statement(order) => &order.origin,
        }
    }

    /// Carries it out, and blocks until it is in the log; tells what was done.
    ///
    /// # Errors
    /// The order cannot be carried out, or the log takes no record.
    pub(crate) fn carry_out(&self, log: &Log) -> Result<Value, Refused> {
        match self {
            Self::Erase(order) => erase(order, log),
            Self::Statement(order) => state(order, log),
        }
    }
}

fn erase(order: &EraseOrder, log: &Log) -> Result<Value, Refused> {
    let bad = |why: String| Refused::new(StatusCode::BAD_REQUEST, "bad_order", why);
    let whose = order.tenant.as_deref().filter(|tenant| !tenant.is_empty());
    if whose.is_some() == order.all_tenants {
        return Err(bad("name either `tenant` or `all_tenants`".to_owned()));
    }
    let day = |name: &str, text: &str| {
        text.parse::<Day>().map_err(|fault| bad(format!("`{name}` is {fault}")))
    };
    let erase = Erase {
        tenant: whose.map(str::to_owned),
        from: day("from", &order.from)?,
        to: day("to", &order.to)?,
        reason: order.reason.clone(),
        today: order.today,
    };
    let Erasures { done, before } = log.erase(&erase).map_err(|fault| {
        let status = match fault {
            EraseError::Nothing => StatusCode::NOT_FOUND,
            EraseError::Range
            | EraseError::Future(_)
            | EraseError::Today(_)
            | EraseError::Reason => StatusCode::UNPROCESSABLE_ENTITY,
            EraseError::Vault(_) | EraseError::Append(_) | EraseError::Io(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Refused::new(status, "not_erased", fault)
    })?;
    let done: Vec<Value> = done
        .iter()
        .map(|one| json!({ "day": one.day.to_string(), "count": one.count, "index": one.index }))
        .collect();
    Ok(json!({ "erased": done, "before": before }))
}

fn state(order: &StatementOrder, log: &Log) -> Result<Value, Refused> {
    let record = order.kind.record(order.statement.clone());
    let sealed = log.append(record).and_then(troth_attest::Pending::wait);
    let sealed = sealed.map_err(|fault| match fault {
        AppendError::Statement(fault) => {
            Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "not_stated", fault)
        }
        fault => Refused::new(StatusCode::SERVICE_UNAVAILABLE, "not_stated", fault),
    })?;
    Ok(json!({ "index": sealed.index }))
}

const ERASE: &str = "/erase";
const STATEMENT: &str = "/statement";

#[cfg(test)]
mod tests;
