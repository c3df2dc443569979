//! A gateway without sockets, for tests of what stands above them.

use std::{path::Path, sync::Arc};

use troth_attest::{Log, LogConfig, Signer, SystemClock};
use troth_policies::{Bundle, Principal, Source, Trace};

use crate::{
    answer::Answer,
    boot, config,
    dialect::Endpoint,
    evidence::{Opened, Witnessed},
    gateway::Gateway,
    ledger::{Ledger, Opening},
    screener::Screener,
    server::Peer,
    stack::Admission,
    tasks::Tasks,
    upstream::Client,
};

/// Bytes of an encoded run that [`bundle`] looks into.
pub(crate) const RUN_BYTES: usize = 256;
/// The log of [`opened`].
pub(crate) const ORIGIN: &str = "example.com/troth/test";
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

/// The bundle of `testdata/bundle`.
pub(crate) fn bundle() -> Bundle {
    let mut source = Source::new();
    for (path, text) in [
        ("bundle.toml", include_str!("../testdata/bundle/bundle.toml")),
        ("detectors/words.toml", include_str!("../testdata/bundle/detectors/words.toml")),
        ("policies/streams.cedar", include_str!("../testdata/bundle/policies/streams.cedar")),
    ] {
        source.insert(path, text.as_bytes().to_vec());
    }
    Bundle::compile(&source).map_err(|faults| faults.to_string()).unwrap().bundle
}

/// A gateway with [`bundle`].
pub(crate) fn gateway() -> Arc<Gateway> {
    gateway_of("enforce", "")
}

/// The same in another mode and with these limits.
pub(crate) fn gateway_of(mode: &str, limits: &str) -> Arc<Gateway> {
    let mode = format!("dangerous_unlogged = true\nmode = \"{mode}\"");
    let text = CONFIGURATION.replace("dangerous_unlogged = true", &mode);
    let text = format!("{text}[limits]\n{limits}\n");
    let config = config::read(Path::new("troth.toml"), &text, &|_| None).unwrap();
    let shared = boot::shared(&config, Tasks::default());
    let client = Client::new(&config.limits);
    let screener = Screener::new(bundle(), None, 0);
    Arc::new(Gateway { config, screener, evidence: Vec::new(), client, shared })
}

/// A log in `directory`.
pub(crate) fn opened(directory: &Path) -> Opened {
    let signer = Signer::generate(ORIGIN, [1; 32]).unwrap();
    let log = LogConfig::new(directory, ORIGIN, signer);
    let log = Log::open(log, Arc::new(SystemClock)).unwrap();
    Opened { log, pulse: Arc::default(), witnesses: Witnessed::new().1 }
}

/// What an exchange begins with.
pub(crate) fn opening(gateway: &Gateway) -> Opening {
    let principal = Principal::anonymous();
    Opening {
        exchange: "0".into(),
        route: gateway.config.routes.first().unwrap().clone(),
        dialect: "openai-chat",
        model: None,
        tenant: principal.tenant,
        principal: principal.id,
        action: "prompt",
        overlap: false,
        patience: gateway.limits().commit_timeout(),
        peer: Peer::default(),
    }
}

/// An answer under way, and its account.
pub(crate) fn answer(gateway: &Arc<Gateway>) -> (Answer, Ledger) {
    let opening = opening(gateway);
    let (exchange, route) = (opening.exchange.clone(), opening.route.clone());
    let peer = opening.peer.clone();
    let principal = Arc::new(Principal::anonymous());
    let ledger = Ledger::open(opening, None, gateway.shared.tasks.clone(), b"").unwrap();
    let endpoint = Endpoint::ChatCompletions;
    let admission = Arc::new(Admission { exchange, route, endpoint, principal, peer });
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
