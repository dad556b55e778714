//! The API over HTTP: warp in front of [`super::api`], the switchable faults in between.

use std::convert::Infallible;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use tokio::time::sleep;
use warp::http::header::{CONTENT_TYPE, HeaderValue};
use warp::http::{Response, StatusCode};
use warp::hyper::body::Bytes;
use warp::path::FullPath;
use warp::reject::{LengthRequired, MethodNotAllowed, PayloadTooLarge};
use warp::{Filter, Rejection, Reply as _};

use super::api::{RegistryCall, RegistryRefusal, RegistryReply, respond_to_call};
use super::store::StoreError;
use super::{RegistryFault, RegistryState};

/// Everything the registry serves.
pub(super) fn routes(
    shared: Arc<RegistryState>,
) -> impl Filter<Extract = (impl warp::Reply,), Error = Infallible> + Clone {
    let state = warp::any().map(move || Arc::clone(&shared));
    let get = warp::get().and(state.clone()).and(warp::path::full()).then(
        |shared: Arc<RegistryState>, path: FullPath| async move {
            serve(&shared, RegistryCall::get(&segments(&path))).await
        },
    );
    let post = warp::post()
        .and(state)
        .and(warp::path::full())
        .and(warp::body::content_length_limit(MAX_BODY_BYTES))
        .and(warp::body::bytes())
        .then(
            |shared: Arc<RegistryState>, path: FullPath, body: Bytes| async move {
                serve(&shared, RegistryCall::post(&segments(&path), &body)).await
            },
        );
    get.or(post).unify().recover(on_rejection)
}

async fn serve(
    shared: &RegistryState,
    call: Result<RegistryCall, RegistryRefusal>,
) -> Response<String> {
    shared.count_request();
    let refusal = match shared.fault() {
        RegistryFault::None => None,
        RegistryFault::Delay(delay) => {
            tokio::select! {
                () = sleep(delay) => None,
                () = shared.stop.cancelled() => Some(RegistryRefusal::Unavailable),
            }
        }
        RegistryFault::NotFound => Some(RegistryRefusal::Store(StoreError::SchemaNotFound)),
        RegistryFault::Unauthorized401 => Some(RegistryRefusal::Unauthorized),
        RegistryFault::Unavailable503 => Some(RegistryRefusal::Unavailable),
    };
    http(match refusal {
        None => respond_to_call(&mut shared.store(), call),
        Some(refusal) => refusal.reply(),
    })
}

fn http(RegistryReply { status, body }: RegistryReply) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).expect("the API's statuses are valid");
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response
}

/// The path's segments, percent-decoded one by one so that a subject may contain a slash.
fn segments(path: &FullPath) -> Vec<String> {
    path.as_str()
        .trim_matches('/')
        .split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect()
}

/// Replies to requests that reached no route, in the API's own form.
async fn on_rejection(rejection: Rejection) -> Result<impl warp::Reply, Infallible> {
    let status = if rejection.find::<PayloadTooLarge>().is_some() {
        StatusCode::PAYLOAD_TOO_LARGE
    } else if rejection.find::<LengthRequired>().is_some() {
        StatusCode::LENGTH_REQUIRED
    } else if rejection.find::<MethodNotAllowed>().is_some() {
        StatusCode::METHOD_NOT_ALLOWED
    } else {
        StatusCode::BAD_REQUEST
    };
    let body = serde_json::json!({ "error_code": status.as_u16(), "message": status.to_string() });
    Ok(http(RegistryReply {
        status: status.as_u16(),
        body: body.to_string(),
    })
    .into_response())
}

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
const MAX_BODY_BYTES: u64 = 256 * 1024;
