//! The admin listener: `GET /health` and `GET /metrics` over HTTP. It serves from before the broker
//! starts, so that a long recovery is seen as such.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock, Weak};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the admin listener asks the broker.
pub(crate) trait Observed: Send + Sync + 'static {
    /// What keeps it from serving, one reason each; empty where it is ready.
    fn reasons_not_ready(&self) -> Vec<String>;
    /// Metrics as Prometheus' text, version 0.0.4.
    fn metrics_text(&self) -> String;
}

/// The broker, once it has started; it is gone again when it stops.
pub(crate) type Subject = Arc<OnceLock<Weak<dyn Observed>>>;

/// Binds the listener on 127.0.0.1.
///
/// # Errors
/// A port that is in use or may not be had.
pub(crate) async fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

/// Serves until `stop` is cancelled; open requests are finished first.
///
/// # Errors
/// What the listener says.
///
/// # Cancel safety
/// Not cancel-safe: requests would be cut off.
pub(crate) async fn serve(
    listener: TcpListener,
    subject: Subject,
    stop: CancellationToken,
) -> io::Result<()> {
    axum::serve(listener, router(subject))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn router(subject: Subject) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .fallback(async || answer(StatusCode::NOT_FOUND, &json!({"error": "not found"})))
        .method_not_allowed_fallback(async || {
            answer(
                StatusCode::METHOD_NOT_ALLOWED,
                &json!({"error": "method not allowed"}),
            )
        })
        .with_state(subject)
}

/// The broker, or the word for why there is none.
fn observed(subject: &Subject) -> Result<Arc<dyn Observed>, &'static str> {
    let broker = subject.get().ok_or("starting")?;
    broker.upgrade().ok_or("stopping")
}

async fn health(State(subject): State<Subject>) -> Response {
    let reasons = match observed(&subject) {
        Ok(broker) => broker.reasons_not_ready(),
        Err(word) => vec![word.to_owned()],
    };
    if reasons.is_empty() {
        answer(StatusCode::OK, &json!({"status": "ready"}))
    } else {
        let body = json!({"status": "not ready", "reasons": reasons});
        answer(StatusCode::SERVICE_UNAVAILABLE, &body)
    }
}

async fn metrics(State(subject): State<Subject>) -> Response {
    match observed(&subject) {
        Ok(broker) => {
            let kind = [(
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            )];
            (kind, broker.metrics_text()).into_response()
        }
        Err(word) => answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": word})),
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, format!("{body}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    struct Stub(Vec<String>);

    impl Observed for Stub {
        fn reasons_not_ready(&self) -> Vec<String> {
            self.0.clone()
        }

        fn metrics_text(&self) -> String {
            "milena_broker_up 1\n".to_owned()
        }
    }

    /// Status line and body of the answer to one request.
    async fn ask(address: SocketAddr, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.lines().next().unwrap().to_owned();
        (status, body.to_owned())
    }

    #[tokio::test]
    async fn health_and_metrics_follow_the_broker() {
        let listener = bind(0).await.unwrap();
        let address = listener.local_addr().unwrap();
        let subject = Subject::default();
        let stop = CancellationToken::new();
        let client = async {
            let (status, body) = ask(address, "GET /health").await;
            assert!(status.contains(" 503 "), "{status}");
            assert!(body.contains("starting"), "{body}");
            assert!(ask(address, "GET /metrics").await.0.contains(" 503 "));
            let failing = Arc::new(Stub(vec!["disk /d is offline".to_owned()]));
            let weak: Weak<Stub> = Arc::downgrade(&failing);
            assert!(subject.set(weak).is_ok());
            let (status, body) = ask(address, "GET /health").await;
            assert!(status.contains(" 503 "), "{status}");
            assert_eq!(
                body,
                "{\"reasons\":[\"disk /d is offline\"],\"status\":\"not ready\"}\n"
            );
            let (status, body) = ask(address, "GET /metrics").await;
            assert!(status.contains(" 200 "), "{status}");
            assert_eq!(body, "milena_broker_up 1\n");
            let (status, body) = ask(address, "GET /what").await;
            assert!(status.contains(" 404 "), "{status}");
            assert_eq!(body, "{\"error\":\"not found\"}\n");
            assert!(ask(address, "POST /health").await.0.contains(" 405 "));
            drop(failing);
            assert!(ask(address, "GET /health").await.1.contains("stopping"));
            stop.cancel();
        };
        let (served, ()) =
            tokio::join!(serve(listener, Arc::clone(&subject), stop.clone()), client);
        served.unwrap();
    }

    #[tokio::test]
    async fn a_ready_broker_is_healthy() {
        let ready = Arc::new(Stub(Vec::new()));
        let weak: Weak<Stub> = Arc::downgrade(&ready);
        let subject = Subject::default();
        assert!(subject.set(weak).is_ok());
        assert_eq!(health(State(subject)).await.status(), StatusCode::OK);
    }
}
