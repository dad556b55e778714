//! Schemas that name types of others.

use avro_codec::{
    AnswerDecoder, AnswerFieldNames, MINIMAL_ANSWER_SCHEMA, SchemaError, SchemaRef, SchemaSet,
};

#[test]
fn a_schema_that_names_another_is_read_with_it() {
    let schema = r#"{"type":"record","name":"R","fields":[{"name":"place","type":"shared.Place"},
        {"name":"session_id","type":"string"},{"name":"resposta","type":"string"}]}"#;
    let place = r#"{"type":"record","name":"Place","namespace":"shared","fields":[{"name":"x","type":"int"}]}"#;
    let mut set = SchemaSet::default();
    set.insert(SchemaRef::Id(7), schema, &[place.to_owned()])
        .unwrap();
    let decoder = AnswerDecoder::new(AnswerFieldNames::default(), 10);
    let answer = decoder
        .decode(&[0, 0, 0, 0, 7, 4, 2, b's', 2, b't'], None, &set)
        .unwrap();
    assert_eq!(answer.session_id, "s");
}

#[test]
fn a_type_that_is_defined_within_another_schema_is_known_by_its_name() {
    let schema = r#"{"type":"record","name":"R","fields":[{"name":"place","type":"Place"},
        {"name":"session_id","type":"string"},{"name":"house","type":"House"}]}"#;
    let house = r#"{"type":"record","name":"House","fields":[{"name":"at","type":
        {"type":"record","name":"Place","fields":[{"name":"x","type":"int"}]}}]}"#;
    let mut set = SchemaSet::default();
    let named = [house.to_owned()];
    assert_eq!(set.insert(SchemaRef::Id(7), schema, &named), Ok(()));
    let decoder = AnswerDecoder::new(AnswerFieldNames::default(), 10);
    let answer = decoder
        .decode(&[0, 0, 0, 0, 7, 4, 2, b's', 6], None, &set)
        .unwrap();
    assert_eq!(answer.session_id, "s");
}

#[test]
fn the_schemas_that_one_names_may_name_what_is_within_the_others_in_whatever_order_they_come() {
    let schema = r#"{"type":"record","name":"R","fields":[{"name":"street","type":"n.Street"},
        {"name":"session_id","type":"string"}]}"#;
    let house = r#"{"type":"record","name":"House","namespace":"n","fields":[{"name":"at","type":
        {"type":"record","name":"Place","fields":[{"name":"x","type":"int"}]}}]}"#;
    let street = r#"{"type":"record","name":"Street","namespace":"n","fields":[
        {"name":"first","type":"Place"},{"name":"last","type":"m.Garden"}]}"#;
    let garden = r#"{"type":"record","name":"m.Garden","fields":[{"name":"of","type":"n.House"}]}"#;
    let decoder = AnswerDecoder::new(AnswerFieldNames::default(), 10);
    // apache-avro goes through several in an order that differs from time to time.
    for order in [
        [house, street, garden],
        [garden, street, house],
        [street, garden, house],
    ]
    .repeat(10)
    {
        let mut set = SchemaSet::default();
        let named = order.map(str::to_owned);
        assert_eq!(set.insert(SchemaRef::Id(7), schema, &named), Ok(()));
        let value = [0, 0, 0, 0, 7, 4, 4, 2, b's'];
        assert_eq!(decoder.decode(&value, None, &set).unwrap().session_id, "s");
    }
}

#[test]
fn a_name_with_two_definitions_is_refused() {
    let twice = r#"{"type":"record","name":"R","fields":[{"name":"session_id","type":"string"},
        {"name":"x","type":{"type":"fixed","name":"F","size":1}},
        {"name":"y","type":{"type":"fixed","name":"F","size":2}}]}"#;
    let mut set = SchemaSet::default();
    let refused = set.insert(SchemaRef::Id(7), twice, &[]);
    assert_eq!(refused, Err(SchemaError::Invalid));
    let fixed = r#"{"type":"fixed","name":"F","size":1}"#.to_owned();
    let named = [fixed.clone(), fixed];
    let refused = set.insert(SchemaRef::Id(7), MINIMAL_ANSWER_SCHEMA, &named);
    assert_eq!(refused, Err(SchemaError::Invalid));
}

#[test]
fn schemas_that_name_each_other_are_bounded_and_take_no_more_stack_than_there_is() {
    let link = |number: usize, inner: &str| {
        format!(
            r#"{{"type":"record","name":"L{number}","fields":[{{"name":"f","type":{inner}}}]}}"#
        )
    };
    // Each as deep as all may be together, divided by their number.
    let chain = |count: usize, deep: usize| {
        let links = (1..=count).map(|number| {
            let next = if number == count {
                "\"int\"".to_owned()
            } else {
                format!("\"L{}\"", number + 1)
            };
            let arrays = r#"{"type":"array","items":"#.repeat(deep) + &next + &"}".repeat(deep);
            link(number, &arrays)
        });
        let mut links: Vec<String> = links.collect();
        let first = links.remove(0).replacen(
            r#""fields":["#,
            r#""fields":[{"name":"session_id","type":"string"},"#,
            1,
        );
        SchemaSet::default().insert(SchemaRef::Id(7), &first, &links)
    };
    let most = SchemaSet::MAX_REFERENCES + 1;
    assert_eq!(chain(most, 4), Ok(()));
    assert_eq!(chain(most + 1, 0), Err(SchemaError::Invalid));
    assert_eq!(chain(most, 5), Err(SchemaError::Invalid));
}

#[test]
fn a_reference_that_defines_no_type_is_refused() {
    for reference in [
        r#"{"name":"X","type":{"type":"record","name":"Y","fields":[]}}"#,
        r#"{"name":"X","type":"int"}"#,
        r#""string""#,
        "[]",
    ] {
        let reference = [reference.to_owned()];
        let refused =
            SchemaSet::default().insert(SchemaRef::Id(7), MINIMAL_ANSWER_SCHEMA, &reference);
        assert_eq!(refused, Err(SchemaError::Invalid), "{reference:?}");
    }
}
