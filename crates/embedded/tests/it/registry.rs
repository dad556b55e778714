//! The registry, through schema_registry_converter's own fetching functions and raw HTTP.

use std::time::{Duration, Instant};

use embedded::{DemoRegistry, DemoRegistryError, RegistryFault};
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_all_subjects, get_all_versions, get_referenced_schema, get_schema_by_guid,
    get_schema_by_id, get_schema_by_subject, post_schema,
};
use schema_registry_converter::schema_registry_common::{
    SchemaType, SubjectNameStrategy, SuppliedReference, SuppliedSchema,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ANSWER: &str = r#"{"type":"record","name":"Resposta","fields":[{"name":"session_id","type":"string"},{"name":"resposta","type":"string"}]}"#;

#[tokio::test]
async fn a_registered_schema_is_fetched_by_id_guid_and_subject() {
    let registry = DemoRegistry::start(0).await.unwrap();
    let settings = settings(&registry);
    let subject = "respostas-value".to_owned();
    let posted = post_schema(&settings, subject.clone(), avro(ANSWER))
        .await
        .unwrap();
    let again = post_schema(&settings, "other-value".to_owned(), avro(ANSWER))
        .await
        .unwrap();
    assert_eq!((posted.id, again.id), (1, 1));

    let by_id = get_schema_by_id(1, &settings).await.unwrap();
    assert_eq!(
        (by_id.schema.as_str(), by_id.schema_type),
        (ANSWER, SchemaType::Avro)
    );
    let latest = SubjectNameStrategy::TopicNameStrategy("respostas".to_owned(), false);
    let by_subject = get_schema_by_subject(&settings, &latest).await.unwrap();
    assert_eq!((by_subject.id, by_subject.schema.as_str()), (1, ANSWER));
    let guid = registry.schema(1).unwrap().guid.to_string();
    let by_guid = get_schema_by_guid(&guid, &settings).await.unwrap();
    assert_eq!(by_guid.schema, ANSWER);
    assert_eq!(
        get_all_subjects(&settings).await.unwrap(),
        ["other-value", "respostas-value"]
    );
    assert_eq!(get_all_versions(&settings, subject).await.unwrap(), [1]);
    registry.stop().await;
}

#[tokio::test]
async fn a_schema_with_references_is_posted_and_followed() {
    let registry = DemoRegistry::start(0).await.unwrap();
    let settings = settings(&registry);
    let source =
        r#"{"type":"record","name":"d.Source","fields":[{"name":"title","type":"string"}]}"#;
    let answer =
        r#"{"type":"record","name":"d.Answer","fields":[{"name":"source","type":"d.Source"}]}"#;
    let reference = SuppliedReference::new(
        "d.Source".to_owned(),
        "source".to_owned(),
        source.to_owned(),
    );
    let with = avro(answer).with_references(vec![reference]);
    let posted = post_schema(&settings, "answer".to_owned(), with)
        .await
        .unwrap();
    let fetched = get_schema_by_id(posted.id, &settings).await.unwrap();
    let [reference] = fetched.references.as_slice() else {
        panic!("{fetched:?}");
    };
    let followed = get_referenced_schema(&settings, reference).await.unwrap();
    assert_eq!(followed.schema, source);
}

#[tokio::test]
async fn a_schema_nobody_registered_is_not_found_for_good() {
    let registry = DemoRegistry::start(0).await.unwrap();
    let error = get_schema_by_id(7, &settings(&registry)).await.unwrap_err();
    assert!(!error.retriable, "{error:?}");
    assert!(format!("{error:?}").contains("40403"), "{error:?}");
}

#[tokio::test]
async fn a_fault_meets_every_request_until_it_ends() {
    let registry = DemoRegistry::start(0).await.unwrap();
    registry.register("s", ANSWER).unwrap();
    for (fault, status) in [
        (RegistryFault::Unavailable503, "503"),
        (RegistryFault::Unauthorized401, "401"),
        (RegistryFault::NotFound, "404"),
        (RegistryFault::None, "200"),
    ] {
        registry.set_fault(fault);
        let reply = exchange(&registry, "GET /schemas/ids/1 HTTP/1.1\r\n").await;
        assert!(
            reply.starts_with(&format!("HTTP/1.1 {status}")),
            "{fault:?}: {reply}"
        );
    }
    assert_eq!(registry.requests(), 4);
}

#[tokio::test]
async fn a_delayed_reply_is_cut_short_when_the_registry_stops() {
    let registry = DemoRegistry::start(0).await.unwrap();
    registry.set_fault(RegistryFault::Delay(Duration::from_secs(3_600)));
    let mut client = connect(&registry).await;
    client
        .write_all(b"GET /subjects HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    while registry.requests() == 0 {
        tokio::task::yield_now().await;
    }
    let stopped = Instant::now();
    registry.stop().await;
    let mut reply = String::new();
    client.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 503"), "{reply}");
    assert!(stopped.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn replies_carry_the_registrys_media_type_and_error_body() {
    let registry = DemoRegistry::start(0).await.unwrap();
    for (request, status, code) in [
        ("GET /subjects/a%2Fb/versions HTTP/1.1\r\n", "404", "40401"),
        ("DELETE /subjects/a HTTP/1.1\r\n", "405", "405"),
        ("POST /subjects/a HTTP/1.1\r\n", "411", "411"),
        (
            "POST /subjects/a HTTP/1.1\r\ncontent-length: 300000\r\n",
            "413",
            "413",
        ),
    ] {
        let reply = exchange(&registry, request).await;
        assert!(
            reply.starts_with(&format!("HTTP/1.1 {status}")),
            "{request}: {reply}"
        );
        assert!(
            reply.contains("content-type: application/vnd.schemaregistry.v1+json"),
            "{reply}"
        );
        assert!(
            reply.contains(&format!("\"error_code\":{code},")),
            "{reply}"
        );
    }
}

#[tokio::test]
async fn a_subject_may_contain_a_slash() {
    let registry = DemoRegistry::start(0).await.unwrap();
    registry.register("a/b", ANSWER).unwrap();
    let reply = exchange(&registry, "GET /subjects/a%2Fb/versions HTTP/1.1\r\n").await;
    assert!(reply.ends_with("[1]"), "{reply}");
}

#[tokio::test]
async fn a_taken_port_is_named_and_a_stopped_registry_frees_it() {
    let first = DemoRegistry::start(0).await.unwrap();
    let taken = port(&first);
    let error = DemoRegistry::start(taken).await.unwrap_err();
    assert!(
        matches!(error, DemoRegistryError::PortTaken { port } if port == taken),
        "{error:?}"
    );
    assert!(error.to_string().contains(&taken.to_string()));
    first.stop().await;
    let second = DemoRegistry::start(taken).await.unwrap();
    assert_eq!(port(&second), taken);
}

#[tokio::test]
async fn a_schema_that_is_not_avro_is_refused_by_name() {
    let registry = DemoRegistry::start(0).await.unwrap();
    let error = registry
        .register("s-value", r#"{"type":"record"}"#)
        .unwrap_err();
    assert!(
        matches!(&error, DemoRegistryError::Refused { subject, .. } if subject == "s-value"),
        "{error:?}"
    );
    let posted = post_schema(&settings(&registry), "s-value".to_owned(), avro("{}")).await;
    assert!(format!("{:?}", posted.unwrap_err()).contains("42201"));
}

/// One request on a connection of its own; the whole reply as text.
async fn exchange(registry: &DemoRegistry, request_and_headers: &str) -> String {
    let mut client = connect(registry).await;
    let request = format!("{request_and_headers}host: x\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    client.read_to_string(&mut reply).await.unwrap();
    reply
}

async fn connect(registry: &DemoRegistry) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port(registry)))
        .await
        .unwrap()
}

fn port(registry: &DemoRegistry) -> u16 {
    let url = registry.url();
    url.rsplit_once(':').unwrap().1.parse().unwrap()
}

fn settings(registry: &DemoRegistry) -> SrSettings {
    SrSettings::new(registry.url())
}

fn avro(schema: &str) -> SuppliedSchema {
    SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned())
}
