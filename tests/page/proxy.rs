//! The page, its buttons and its events by way of nginx, with the recipe of docs/api.md.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use lab::certificates::{Authority, Shape};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::browser;
use crate::browser::ELSEWHERE;
use crate::stage::{READ_TOKEN, Stage, TOKEN, free_port, set};
use crate::support::simulated::Simulated;
use crate::tab::Viewer;

/// Place of nginx on Debian, which is not in every PATH.
const NGINX: &str = "/usr/sbin/nginx";

/// nginx with the recipe, in front of the service; killed when dropped.
struct Proxy {
    _process: Child,
    _folder: TempDir,
    port: u16,
}

/// The recipe as it stands in the document.
fn recipe() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```nginx\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// The recipe with one thing of this test in the place of the document's.
fn with(recipe: &str, of_document: &str, of_test: &str) -> String {
    assert_eq!(
        recipe.matches(of_document).count(),
        1,
        "{of_document} in\n{recipe}"
    );
    recipe.replace(of_document, of_test)
}

/// Certificate and key of the proxy, as PEM files.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let server = Authority::new("Proxy Authority").server(&[ELSEWHERE], Shape::Sound);
    server.write(folder, "proxy")
}

impl Proxy {
    /// Starts it in front of `service`.
    async fn start(service: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = certificate(folder.path());
        let port = free_port();
        let mut server = recipe();
        for (of_document, of_test) in [
            ("listen 443 ssl", format!("listen 127.0.0.1:{port} ssl")),
            ("connector.example.com", ELSEWHERE.to_owned()),
            ("/etc/nginx/connector.crt", certificate.display().to_string()),
            ("/etc/nginx/connector.key", key.display().to_string()),
            ("127.0.0.1:8080", service.to_owned()),
        ] {
            server = with(&server, of_document, &of_test);
        }
        let place = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {place}/{kind};\n"))
            .collect();
        let whole = format!(
            "daemon off;\nmaster_process off;\npid {place}/pid;\nerror_log stderr warn;\n\
             events {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, whole).unwrap();
        let process = Command::new(NGINX)
            .arg("-c")
            .arg(&file)
            .args(["-e", "stderr"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self {
            _process: process,
            _folder: folder,
            port,
        }
    }

    fn origin(&self) -> String {
        format!("https://{ELSEWHERE}:{}", self.port)
    }

    /// A client on another address than the service's own.
    fn client(&self) -> Client {
        // An error says that it is there already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        Client::builder()
            .no_proxy()
            .danger_accept_invalid_certs(true)
            .resolve(ELSEWHERE, address)
            .local_address(Some([127, 0, 0, 7].into()))
            .build()
            .unwrap()
    }
}

async fn answer(request: RequestBuilder) -> (StatusCode, String) {
    let response = request.send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

/// Gives the test up where nginx is not there.
macro_rules! proxy {
    ($service:expr) => {
        if Path::new(NGINX).exists() {
            Proxy::start($service).await
        } else {
            lab::skip!("no nginx here: apt-get install nginx")
        }
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn page_buttons_and_events_work_by_way_of_nginx() {
    let browser = browser!();
    let Stage { lab, service, origin } = Stage::start(set(Simulated::new().await).await).await;
    let proxy = proxy!(origin.strip_prefix("http://").unwrap());
    let tab = browser.tab(Viewer::DESK).await;
    tab.trust_certificates().await;
    tab.log_in_with(&["wrong", TOKEN]).await;
    tab.go(&proxy.origin()).await;
    tab.lit("Scheduled").await;
    tab.shows("#live", "live").await;
    let open = crate::stage::hold_users_page(&lab, 2);
    tab.click("[data-action=delta]").await;
    // Each as it happens, while the run goes on.
    tab.lit("Processing").await;
    tab.shows(".phases [aria-current]", "reading").await;
    open.send(()).unwrap();
    tab.lit("Processed").await;
    tab.shows("#announcer", "processed").await;
    tab.click(".views a[href$=inventory]").await;
    tab.until("document.querySelectorAll('a.asset').length === 50")
        .await;
    assert_eq!(tab.value("document.querySelectorAll('dialog').length").await, 0);
    let run = lab.last_run().await;
    assert_eq!(run["askedBy"], "API from 127.0.0.1 for 127.0.0.1");
    tab.assert_clean(&proxy.origin());
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_gets_anything_by_way_of_nginx_without_a_token() {
    let mut lab = set(Simulated::new().await).await;
    lab.set("HTTP_READ_TOKEN", READ_TOKEN);
    lab.sync(0).await;
    let Stage {
        lab,
        mut service,
        origin,
    } = Stage::start(lab).await;
    let proxy = proxy!(origin.strip_prefix("http://").unwrap());
    let client = proxy.client();
    let connection = "/api/v1/connections/active-directory";
    let at = |path: &str| format!("{}{path}", proxy.origin());
    let document = client.get(at("/api/openapi.json")).bearer_auth(READ_TOKEN);
    let document: Value = serde_json::from_str(&answer(document).await.1).unwrap();
    let calls = document["paths"].as_object().unwrap();
    let mut paths: Vec<String> = calls
        .keys()
        .map(|path| path.replace("{name}", "active-directory").replace("{run}", "1"))
        .collect();
    paths.extend(["/", "/page/app.js", "/metrics", "/nowhere"].map(str::to_owned));
    for path in &paths {
        let (status, body) = answer(client.get(at(path))).await;
        assert_eq!(status, 401, "{path}: {body}");
    }
    for path in ["/live", "/ready"] {
        assert_eq!(answer(client.get(at(path))).await.0, 200, "{path}");
    }
    let inventory = at(&format!("{connection}/inventory?limit=200"));
    let (status, body) = answer(client.get(&inventory).bearer_auth(READ_TOKEN)).await;
    assert!(status == 200 && body.contains("CN="), "{status} {body}");

    // Changes: of the page itself, whose origin is the proxy's name, and of no other.
    let sync = |token: &str, origin: &str| {
        let request = client.request(Method::POST, at(&format!("{connection}/sync")));
        let request = request.header("origin", origin).bearer_auth(token);
        answer(request.json(&json!({"mode": "delta"})))
    };
    assert_eq!(sync(TOKEN, "https://evil.example").await.0, 403);
    assert_eq!(sync(READ_TOKEN, &proxy.origin()).await.0, 403);
    assert_eq!(sync("a-wrong-token-4711", &proxy.origin()).await.0, 401);
    service
        .said("a request with a wrong token was refused. address=127.0.0.1 for 127.0.0.7")
        .await;
    assert_eq!(sync(TOKEN, &proxy.origin()).await.0, 202);
    service.said_times("The run finished", 1).await;
    let run = lab.last_run().await;
    assert_eq!(run["askedBy"], "API from 127.0.0.1 for 127.0.0.7");
    service.stopped_with(0).await;
}
