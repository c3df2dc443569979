//! `troth.toml` as a test wants it: sensible unless said otherwise.

use std::fmt::Write;

/// One `[[route]]`.
#[derive(Debug, Clone)]
pub struct Route {
    name: String,
    path: String,
    dialect: String,
    upstream: Option<String>,
    lines: Vec<String>,
}

impl Route {
    /// A route of one dialect family under `path`; its name is its path's last part.
    #[must_use]
    pub fn new(path: &str, dialect: &str) -> Self {
        let name = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("root").to_owned();
        Self {
            name,
            path: path.to_owned(),
            dialect: dialect.to_owned(),
            upstream: None,
            lines: vec![r#"log = "main""#.to_owned()],
        }
    }

    /// The route of OpenAI clients.
    #[must_use]
    pub fn openai() -> Self {
        Self::new("/v1", "openai")
    }

    /// The route of Anthropic clients.
    #[must_use]
    pub fn anthropic() -> Self {
        Self::new("/v1/messages", "anthropic")
    }

    /// With an upstream other than the one that the proxy was started for.
    #[must_use]
    pub fn to(mut self, address: &str) -> Self {
        self.upstream = Some(address.to_owned());
        self
    }

    /// With one more line, such as `mode = "shadow"`.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Without a log.
    #[must_use]
    pub fn unlogged(mut self) -> Self {
        self.lines.retain(|line| !line.starts_with("log ="));
        self.with("dangerous_unlogged = true")
    }
}

/// A whole configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    routes: Vec<Route>,
    classifiers: bool,
    bundle: String,
    log: Vec<String>,
    limits: Vec<String>,
    tail: String,
}

impl Settings {
    /// One OpenAI route with the rules of the baseline bundle, and no classifiers: what they need
    /// is slow to load.
    #[must_use]
    pub fn rules() -> Self {
        Self {
            routes: vec![Route::openai()],
            classifiers: false,
            bundle: "builtin:baseline".to_owned(),
            log: Vec::new(),
            limits: Vec::new(),
            tail: String::new(),
        }
    }

    /// The same with the built-in classifiers. Their deadline is long: a shared machine is slow,
    /// and a missed deadline is a verdict of its own.
    #[must_use]
    pub fn with_models() -> Self {
        Self { classifiers: true, ..Self::rules() }
    }

    /// With these routes only.
    #[must_use]
    pub fn routes(mut self, routes: impl IntoIterator<Item = Route>) -> Self {
        self.routes = routes.into_iter().collect();
        self
    }

    /// With the bundle of this name under `tests/data`.
    #[must_use]
    pub fn bundle(mut self, name: &str) -> Self {
        self.bundle = format!("{}/data/{name}", env!("CARGO_MANIFEST_DIR"));
        self
    }

    /// With one more line of `[[log]]`, such as `queue_records = 1`.
    #[must_use]
    pub fn log(mut self, line: &str) -> Self {
        self.log.push(line.to_owned());
        self
    }

    /// With one line of `[limits]`, such as `request_bytes = 1000`.
    #[must_use]
    pub fn limit(mut self, line: &str) -> Self {
        self.limits.push(line.to_owned());
        self
    }

    /// With more text at the end.
    #[must_use]
    pub fn tail(mut self, text: &str) -> Self {
        self.tail += text;
        self
    }

    /// The file's text, for a proxy in front of the server at `upstream`.
    ///
    /// # Panics
    /// Never: writing to a string does not fail.
    #[must_use]
    pub fn text(&self, upstream: &str) -> String {
        let mut text = HEAD.to_owned();
        writeln!(text, "{}\n", self.log.join("\n")).unwrap();
        writeln!(text, "[policy]\nbundle = \"{}\"\n", self.bundle).unwrap();
        for route in &self.routes {
            let upstream = route.upstream.as_deref().unwrap_or(upstream);
            writeln!(
                text,
                "[[route]]\nname = \"{}\"\npath = \"{}\"\ndialect = \"{}\"\n\
                 upstream = \"http://{upstream}\"\n{}\n",
                route.name,
                route.path,
                route.dialect,
                route.lines.join("\n")
            )
            .unwrap();
        }
        text +=
            if self.classifiers { CLASSIFIERS } else { "[classifiers]\ndangerous_off = true\n" };
        writeln!(text, "\n[limits]\n{}\n\n{}", self.limits.join("\n"), self.tail).unwrap();
        text
    }
}

const HEAD: &str = r#"version = 1

[listen]
address = "127.0.0.1:0"

[admin]
socket = "troth.sock"

[[log]]
name = "main"
directory = "troth-log"
origin = "example.com/troth/test"
key = "troth.key"
publish = "127.0.0.1:0"
"#;

const CLASSIFIERS: &str = r#"[classifiers]
models = "builtin:models"
providers = ["cpu"]
deadline_ms = 20000
on_deadline = "refuse"
"#;
