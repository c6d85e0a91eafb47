//! Asks the running service over HTTP.

use std::sync::Once;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;

use super::Connector;
use super::service::Service;

/// `HTTP_TOKEN` of the tests.
pub const TOKEN: &str = "token-of-the-tests-4711";

/// `HTTP_READ_TOKEN` of the tests.
pub const READ_TOKEN: &str = "read-token-of-the-tests-0815";

/// A running service and how to ask it.
pub struct Served {
    pub service: Service,
    pub base: String,
    client: Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answered {
    pub method: Method,
    pub path: String,
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Served {
    /// Starts `run` and waits until it listens and has scheduled a connection.
    pub async fn start(connector: &Connector) -> Served {
        let mut served = Served::listening(connector).await;
        served.service.said("the connection is scheduled").await;
        served
    }

    /// Starts `run`, maybe without any connection, and waits until it listens.
    pub async fn listening(connector: &Connector) -> Served {
        Served::running(connector, &["run"]).await
    }

    /// Starts the service by this command and waits until it listens.
    pub async fn running(connector: &Connector, arguments: &[&str]) -> Served {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        });
        let mut service = connector.watch(arguments);
        service.said("the service started").await;
        let log = service.log();
        let (_, rest) = log.split_once("http=\"").expect("it listens");
        let (address, _) = rest.split_once('"').unwrap();
        // Everywhere is listened on, but not connected to.
        let base = format!("http://{}", address.replace("0.0.0.0", "127.0.0.1"));
        let client = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            // A kept connection may be ended by the service at the moment at which it is used again (RFC 9112 section 9.5).
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Served {
            service,
            base,
            client,
        }
    }

    /// A request that is not sent yet.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: RequestBuilder) -> Answered {
        let request = request.build().unwrap();
        let method = request.method().clone();
        let path = request.url().path().to_owned();
        let response = self.client.execute(request).await;
        let response = response.unwrap_or_else(|error| {
            panic!(
                "{method} {path}: {error:?}; the service said:\n{}",
                self.service.log()
            )
        });
        Answered {
            method,
            path,
            status: response.status(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        }
    }

    /// GET without a token.
    pub async fn get(&self, path: &str) -> Answered {
        self.send(self.request(Method::GET, path)).await
    }

    /// GET with the token.
    pub async fn read(&self, path: &str) -> Answered {
        self.read_with(path, TOKEN).await
    }

    /// GET with this token.
    pub async fn read_with(&self, path: &str, token: &str) -> Answered {
        self.send(self.request(Method::GET, path).bearer_auth(token))
            .await
    }

    /// GET of JSON with the token, which must succeed.
    pub async fn json(&self, path: &str) -> Value {
        self.read(path).await.with(200).json()
    }

    /// POST of JSON with the token.
    pub async fn post(&self, path: &str, body: &Value) -> Answered {
        let request = self.request(Method::POST, path);
        self.send(request.bearer_auth(TOKEN).json(body)).await
    }

    /// A stream of events.
    pub async fn events(&self, path: &str) -> Events {
        let response = self.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events {
            response,
            text: String::new(),
        }
    }
}

impl Answered {
    /// Checks the status.
    #[track_caller]
    pub fn with(self, status: u16) -> Answered {
        assert_eq!(
            self.status, status,
            "{} {}: {}",
            self.method, self.path, self.body
        );
        self
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{} {}: {error}: {}", self.method, self.path, self.body))
    }
}

/// A stream of server-sent events.
pub struct Events {
    response: reqwest::Response,
    text: String,
}

impl Events {
    /// The next event: its name and its data.
    pub async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim_start_matches(':').trim().to_owned())
                };
                let found = field("event").zip(field("data"));
                self.text = rest.to_owned();
                if let Some((name, data)) = found {
                    return (name, serde_json::from_str(&data).unwrap());
                }
                continue;
            }
            let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event with this name.
    pub async fn named(&mut self, wanted: &str) -> Value {
        loop {
            let (name, data) = self.next().await;
            if name == wanted {
                return data;
            }
        }
    }
}
