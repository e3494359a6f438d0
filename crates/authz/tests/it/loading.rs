//! What is accepted as policies, and that whatever cannot be evaluated is denied.

use cloister_authz::request::{MethodGroup, UseMethod};
use cloister_authz::{
    DEFAULT_DENY, EVALUATION_ERROR, Engine, PolicyError, PolicySet, Principal, SCHEMA_FILE,
};

use crate::ask::{Asked, decide};
use crate::world::{policies_folder, world};

const SCHEMA: &str = include_str!("../../../../policies/schema.cedarschema");

fn load(policies: &str) -> Result<PolicySet, PolicyError> {
    PolicySet::from_files([(SCHEMA_FILE, SCHEMA), ("a.cedar", policies)])
}

fn problems(policies: &str) -> String {
    match load(policies) {
        Err(PolicyError::Invalid { problems }) => problems.join("\n"),
        other => panic!("not invalid: {other:?}"),
    }
}

#[test]
fn the_root_depends_on_names_and_contents_and_not_on_their_order() {
    let permit = r#"@id("x") permit (principal, action == Action::"rpc", resource);"#;
    let root =
        |files: &[(&str, &str)]| PolicySet::from_files(files.iter().copied()).unwrap().root();
    let base = root(&[(SCHEMA_FILE, SCHEMA), ("a.cedar", permit)]);
    assert_eq!(base, root(&[("a.cedar", permit), (SCHEMA_FILE, SCHEMA)]));
    assert_ne!(base, root(&[(SCHEMA_FILE, SCHEMA), ("b.cedar", permit)]));
    assert_ne!(
        base,
        root(&[(SCHEMA_FILE, SCHEMA), ("a.cedar", &format!("{permit} "))])
    );
    assert_ne!(base, root(&[(SCHEMA_FILE, SCHEMA)]));
}

#[test]
fn a_folder_and_its_files_have_the_same_root() {
    let folder = PolicySet::load(&policies_folder()).unwrap();
    let files = std::fs::read_dir(policies_folder())
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name()?.to_str()?.to_owned();
            let named = path
                .extension()
                .is_some_and(|extension| extension == "cedar");
            let policy = path.is_file() && (name == SCHEMA_FILE || named);
            policy.then(|| (name, std::fs::read_to_string(&path).unwrap()))
        });
    assert_eq!(folder.root(), PolicySet::from_files(files).unwrap().root());
}

#[test]
fn refuses_policies_without_a_schema() {
    let files = [("a.cedar", "")];
    assert!(matches!(
        PolicySet::from_files(files),
        Err(PolicyError::NoSchema)
    ));
}

#[test]
fn refuses_a_schema_or_a_policy_that_does_not_parse() {
    let files = [(SCHEMA_FILE, "entity {")];
    assert!(matches!(
        PolicySet::from_files(files),
        Err(PolicyError::Schema { .. })
    ));
    let error = load("permit (principal").unwrap_err();
    assert!(matches!(error, PolicyError::Syntax { name, .. } if name == "a.cedar"));
}

#[test]
fn refuses_policies_without_an_id_or_with_a_reserved_or_doubled_one() {
    let rule =
        |id: &str| format!(r#"@id("{id}") permit (principal, action == Action::"rpc", resource);"#);
    let plain = r#"permit (principal, action == Action::"rpc", resource);"#;
    for bad in [
        plain.to_owned(),
        rule(""),
        rule("Not-Lower"),
        rule(DEFAULT_DENY),
        rule("a,b"),
    ] {
        assert!(matches!(load(&bad), Err(PolicyError::NoId { .. })), "{bad}");
    }
    let doubled = [rule("x"), rule("x")].concat();
    assert!(matches!(load(&doubled), Err(PolicyError::DuplicateId { id, .. }) if id == "x"));
}

#[test]
fn refuses_templates() {
    let template =
        r#"@id("x") permit (principal == ?principal, action == Action::"rpc", resource);"#;
    assert!(matches!(load(template), Err(PolicyError::Template { .. })));
}

#[test]
fn refuses_attributes_types_and_names_that_the_schema_does_not_have() {
    let on_send = |when: &str| {
        format!(
            r#"@id("x") permit (principal, action == Action::"send", resource) when {{ {when} }};"#
        )
    };
    assert!(problems(&on_send("context.valu.low > 1")).contains("valu"));
    assert!(problems(&on_send("context.value > 1")).contains("Long"));
    assert!(problems(&on_send(r#"principal in Role::"manager""#)).contains("manager"));
    // An optional attribute or a tag must be asked for before it is used.
    assert!(problems(&on_send(r#"context.call.getTag("to").kind == "address""#)).contains("to"));
}

#[test]
fn refuses_a_policy_that_can_never_apply() {
    let never = r#"@id("x") permit (principal, action == Action::"rpc", resource is Batch);"#;
    assert!(!problems(never).is_empty());
}

#[test]
fn refuses_a_schema_that_lacks_an_action() {
    let schema = "entity Principal, Method; action rpc appliesTo { principal: [Principal], resource: [Method] };";
    let error = PolicySet::from_files([(SCHEMA_FILE, schema)]).unwrap_err();
    assert!(matches!(
        error,
        PolicyError::MissingAction { action: "call" }
    ));
}

#[test]
fn reports_a_folder_that_is_not_there() {
    let folder = policies_folder().join("absent");
    let error = PolicySet::load(&folder).unwrap_err();
    assert!(matches!(error, PolicyError::Read { path, .. } if path == folder));
}

#[test]
fn with_no_policies_everything_is_denied() {
    let engine = Engine::new(PolicySet::from_files([(SCHEMA_FILE, SCHEMA)]).unwrap());
    let ask = UseMethod {
        method: "eth_chainId".into(),
        group: MethodGroup::Public,
    };
    let denied = engine.authorize(&Principal::anonymous(), ask).unwrap_err();
    assert_eq!(denied.decision.rules(), [DEFAULT_DENY]);
    assert_eq!(denied.decision.policy_root(), engine.policy_root());
}

/// SAZ-2: Cedar itself skips a policy that fails, so a failing `forbid` would permit.
#[test]
fn a_policy_that_fails_while_it_is_evaluated_denies() {
    let policies = r#"
        @id("all") permit (principal, action == Action::"send", resource);
        @id("overflows") forbid (principal, action == Action::"send", resource)
        when { context.value.low + 9223372036854775807 > 0 };"#;
    let engine = Engine::new(load(policies).unwrap());
    let world = world();
    let send = |value: &str| -> Asked {
        serde_json::from_value(serde_json::json!(
            {"send": {"to": "bob", "from": "alice", "value": value}}
        ))
        .unwrap()
    };
    let decision = decide(&engine, &world, &world.person("alice"), &send("0x1"));
    assert!(!decision.is_allowed());
    assert_eq!(decision.rules(), [EVALUATION_ERROR]);
    assert_eq!(decision.errors().len(), 1);
}
