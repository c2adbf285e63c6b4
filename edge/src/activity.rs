//! What a client did last, so that a reaper can tell an idle workspace from one in use.
//!
//! Activity is a request that was let in and answered by the upstream, and a data frame that a client
//! sent over a WebSocket. Pings, pongs, what the server says, refused requests and probes are none: a
//! forgotten browser tab keeps nothing awake.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::body::{Body, Bytes};
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The counters of one server. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Activity(Arc<Counters>);

/// Times in milliseconds since 1970; 0 is never.
#[derive(Debug, Default)]
struct Counters {
    requests: AtomicUsize,
    websockets: AtomicUsize,
    last_request: AtomicU64,
    last_data_frame: AtomicU64,
}

/// The activity at one moment, as the sidecar tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityReport {
    /// When this was said, by the clock of the other times: compare them with it, not with your own.
    pub now: Moment,
    /// When a client was last served or sent a data frame.
    pub last_client_activity: Option<Moment>,
    /// When a client last sent a data frame over a WebSocket.
    pub last_data_frame: Option<Moment>,
    /// Requests whose answer has not ended, event streams among them.
    pub inflight: usize,
    /// Open WebSockets.
    pub ws_open: usize,
}

/// A time in whole milliseconds, written as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

/// A request in flight, until it is dropped.
#[derive(Debug)]
pub struct InFlight {
    activity: Activity,
    served: bool,
}

/// An open WebSocket, until it is dropped.
#[derive(Debug)]
pub struct OpenWebSocket(Activity);

impl Activity {
    /// Counts a request that was let in. It is no activity before it is [served](InFlight::serve).
    #[must_use]
    pub fn request(&self) -> InFlight {
        self.0.requests.fetch_add(1, Relaxed);
        InFlight { activity: self.clone(), served: false }
    }

    /// Counts a WebSocket.
    #[must_use]
    pub fn websocket(&self) -> OpenWebSocket {
        self.0.websockets.fetch_add(1, Relaxed);
        OpenWebSocket(self.clone())
    }

    /// A client has just sent a data frame.
    pub fn data_frame(&self) {
        self.0.last_data_frame.store(Moment::now().0, Relaxed);
    }

    /// What there is to tell now.
    #[must_use]
    pub fn report(&self) -> ActivityReport {
        let Counters { requests, websockets, last_request, last_data_frame } = &*self.0;
        let last_request = Moment::or_never(last_request.load(Relaxed));
        let last_data_frame = Moment::or_never(last_data_frame.load(Relaxed));
        ActivityReport {
            now: Moment::now(),
            last_client_activity: last_request.max(last_data_frame),
            last_data_frame,
            inflight: requests.load(Relaxed),
            ws_open: websockets.load(Relaxed),
        }
    }
}

impl InFlight {
    /// The upstream has answered: this is activity now, and again when the answer has ended.
    #[must_use]
    pub fn serve(mut self, response: Response<Body>) -> Response<Body> {
        self.served = true;
        self.mark();
        // An answer without content has ended, and so has the handshake of a WebSocket.
        if response.body().is_end_stream() {
            return response;
        }
        response.map(|body| Body::new(Content { body, _in_flight: self }))
    }

    fn mark(&self) {
        self.activity.0.last_request.store(Moment::now().0, Relaxed);
    }
}

/// The content of an answer; its request is in flight until it is dropped.
struct Content {
    body: Body,
    _in_flight: InFlight,
}

impl HttpBody for Content {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.served {
            self.mark();
        }
        self.activity.0.requests.fetch_sub(1, Relaxed);
    }
}

impl Drop for OpenWebSocket {
    fn drop(&mut self) {
        self.0.0.websockets.fetch_sub(1, Relaxed);
    }
}

impl Moment {
    /// The wall clock.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The time from here to `later`; zero when `later` is in the past.
    #[must_use]
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }

    fn or_never(millis: u64) -> Option<Self> {
        (millis > 0).then_some(Self(millis))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(self.0)).fmt(f)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = humantime::parse_rfc3339(&text).map_err(de::Error::custom)?;
        let since = time.duration_since(UNIX_EPOCH).map_err(de::Error::custom)?;
        Ok(Self(u64::try_from(since.as_millis()).map_err(de::Error::custom)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_in_flight_until_its_answer_has_ended() {
        let activity = Activity::default();
        let request = activity.request();
        assert_eq!(activity.report().inflight, 1);
        let answer = request.serve(Response::new(Body::from("some")));
        assert_eq!(answer.body().size_hint().exact(), Some(4));
        let served = activity.report();
        assert_eq!(served.inflight, 1);
        assert!(served.last_client_activity.is_some_and(|at| at <= served.now));
        drop(answer);
        let ended = activity.report();
        assert_eq!(ended.inflight, 0);
        assert!(ended.last_client_activity >= served.last_client_activity);
    }

    #[test]
    fn an_answer_without_content_has_ended_and_a_refusal_is_no_activity() {
        let activity = Activity::default();
        drop(activity.request());
        let report = activity.report();
        assert_eq!((report.inflight, report.last_client_activity), (0, None));
        let _answer = activity.request().serve(Response::new(Body::empty()));
        let report = activity.report();
        assert_eq!(report.inflight, 0);
        assert!(report.last_client_activity.is_some());
    }

    #[test]
    fn an_open_websocket_is_counted_and_only_its_data_is_activity() {
        let activity = Activity::default();
        let socket = activity.websocket();
        let report = activity.report();
        assert_eq!((report.ws_open, report.inflight), (1, 0));
        assert_eq!(report.last_client_activity, None);
        activity.data_frame();
        let report = activity.report();
        assert!(report.last_data_frame.is_some());
        assert_eq!(report.last_client_activity, report.last_data_frame);
        drop(socket);
        assert_eq!(activity.report().ws_open, 0);
    }

    #[test]
    fn a_report_is_json_with_times_of_rfc_3339() {
        let at = Moment(1_800_000_000_250);
        let report = ActivityReport {
            now: at,
            last_client_activity: Some(at),
            last_data_frame: None,
            inflight: 2,
            ws_open: 1,
        };
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(
            json,
            "{\"now\":\"2027-01-15T08:00:00.250Z\",\
             \"last_client_activity\":\"2027-01-15T08:00:00.250Z\",\
             \"last_data_frame\":null,\"inflight\":2,\"ws_open\":1}"
        );
        assert_eq!(serde_json::from_str::<ActivityReport>(&json).unwrap(), report);
        assert_eq!(Moment(1_000).until(at), Duration::from_millis(1_799_999_999_250));
        assert_eq!(at.until(Moment(1_000)), Duration::ZERO);
    }
}
