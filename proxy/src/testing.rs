//! A gateway without sockets, for tests of what stands above them.

use std::{path::Path, sync::Arc};

use troth_policies::{Bundle, Principal, Source, Trace};

use crate::{
    answer::Answer,
    boot, config,
    dialect::Endpoint,
    gateway::Gateway,
    ledger::{Ledger, Opening},
    screener::Screener,
    stack::Admission,
    tasks::Tasks,
    upstream::Client,
};

const CONFIGURATION: &str = r#"
version = 1
[[route]]
name = "chat"
path = "/v1"
upstream = "http://127.0.0.1:1"
dialect = "openai"
dangerous_unlogged = true
[classifiers]
dangerous_off = true
"#;

/// A gateway with the bundle of `testdata/bundle`.
pub(crate) fn gateway() -> Arc<Gateway> {
    let config = config::read(Path::new("troth.toml"), CONFIGURATION, &|_| None).unwrap();
    let mut source = Source::new();
    for (path, text) in [
        ("bundle.toml", include_str!("../testdata/bundle/bundle.toml")),
        ("detectors/words.toml", include_str!("../testdata/bundle/detectors/words.toml")),
        ("policies/streams.cedar", include_str!("../testdata/bundle/policies/streams.cedar")),
    ] {
        source.insert(path, text.as_bytes().to_vec());
    }
    let bundle = Bundle::compile(&source).map_err(|faults| faults.to_string()).unwrap().bundle;
    let shared = boot::shared(&config, Tasks::default());
    let client = Client::new(&config.limits);
    let screener = Screener::new(bundle, None, 0);
    Arc::new(Gateway { config, screener, evidence: Vec::new(), client, shared })
}

/// An answer under way, and its account.
pub(crate) fn answer(gateway: &Arc<Gateway>) -> (Answer, Ledger) {
    let route = gateway.config.routes.first().unwrap().clone();
    let exchange: Arc<str> = "0".into();
    let principal = Arc::new(Principal::anonymous());
    let opening = Opening {
        exchange: exchange.clone(),
        route: route.clone(),
        dialect: "openai-chat",
        model: None,
        tenant: principal.tenant.clone(),
        principal: principal.id.clone(),
        action: "prompt",
        overlap: false,
        patience: gateway.limits().commit_timeout(),
    };
    let ledger = Ledger::open(opening, None, gateway.shared.tasks.clone(), b"").unwrap();
    let endpoint = Endpoint::ChatCompletions;
    let admission = Arc::new(Admission { exchange, route, endpoint, principal });
    (
        Answer {
            gateway: gateway.clone(),
            admission,
            trace: Trace::default(),
            model: String::new(),
        },
        ledger,
    )
}
