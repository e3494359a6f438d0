//! Loading, validating and naming policies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use alloy_primitives::B256;
use cedar_policy::{ActionConstraint, PolicyId, Schema, ValidationMode, Validator};
use cloister_crypto::domain;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::action::Action;

/// Name of the schema within the policy folder.
pub const SCHEMA_FILE: &str = "schema.cedarschema";
const POLICY_SUFFIX: &str = ".cedar";
const MAX_FILES: usize = 256;
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Why policies cannot be used.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The folder or a file in it cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no schema.
    #[error("there is no `{SCHEMA_FILE}`; policies are only used with a schema")]
    NoSchema,
    /// More or larger files than the limits.
    #[error("`{name}` breaks a limit: at most {MAX_FILES} files of {MAX_FILE_BYTES} bytes")]
    TooLarge {
        /// The file.
        name: String,
    },
    /// The schema does not parse.
    #[error("the schema is not valid: {reason}")]
    Schema {
        /// What Cedar said.
        reason: String,
    },
    /// A policy file does not parse.
    #[error("`{name}` is not valid: {reason}")]
    Syntax {
        /// The file.
        name: String,
        /// What Cedar said.
        reason: String,
    },
    /// A template: policies are static here.
    #[error("`{name}` holds a template; write it as a policy")]
    Template {
        /// The file.
        name: String,
    },
    /// A policy without a usable `@id`.
    #[error("a policy in `{name}` has no `@id` of 1 to 64 of a-z, 0-9 and `-`: {policy}")]
    NoId {
        /// The file.
        name: String,
        /// Its text.
        policy: String,
    },
    /// Two policies with one id.
    #[error("the id `{id}` is used twice, the second time in `{name}`")]
    DuplicateId {
        /// The id.
        id: String,
        /// The second file.
        name: String,
    },
    /// Policies that the schema does not allow, or that can never apply.
    #[error("policies do not fit the schema: {}", problems.join("; "))]
    Invalid {
        /// What Cedar said, one entry a problem.
        problems: Vec<String>,
    },
    /// The schema lacks an action that requests need.
    #[error("the schema has no action `{action}`")]
    MissingAction {
        /// Its name.
        action: &'static str,
    },
}

/// A validated set of policies with its schema.
#[derive(Clone, Debug)]
pub struct PolicySet {
    root: B256,
    schema: Schema,
    by_action: BTreeMap<Action, cedar_policy::PolicySet>,
    texts: BTreeMap<String, String>,
}

impl PolicySet {
    /// Reads `schema.cedarschema` and all `*.cedar` files of a folder. Anything else in it (tests,
    /// a README) is ignored.
    ///
    /// # Errors
    /// When a file cannot be read, does not parse, or does not fit the schema.
    pub fn load(folder: &Path) -> Result<Self, PolicyError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| PolicyError::Read { path, source }
        };
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(fail(folder))? {
            let path = entry.map_err(fail(folder))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if (name == SCHEMA_FILE || name.ends_with(POLICY_SUFFIX)) && path.is_file() {
                let size = fs::metadata(&path).map_err(fail(&path))?.len();
                if files.len() >= MAX_FILES || size > MAX_FILE_BYTES as u64 {
                    return Err(PolicyError::TooLarge {
                        name: name.to_owned(),
                    });
                }
                files.insert(
                    name.to_owned(),
                    fs::read_to_string(&path).map_err(fail(&path))?,
                );
            }
        }
        Self::from_files(files)
    }

    /// Uses policies given by file name and contents.
    ///
    /// # Errors
    /// As [`PolicySet::load`].
    pub fn from_files<N, C>(files: impl IntoIterator<Item = (N, C)>) -> Result<Self, PolicyError>
    where
        N: Into<String>,
        C: Into<String>,
    {
        let files: BTreeMap<String, String> = files
            .into_iter()
            .map(|(name, text)| (name.into(), text.into()))
            .collect();
        let source = files.get(SCHEMA_FILE).ok_or(PolicyError::NoSchema)?;
        let (schema, warnings) =
            Schema::from_cedarschema_str(source).map_err(|error| PolicyError::Schema {
                reason: report(&error),
            })?;
        if let Some(warning) = { warnings }.next() {
            return Err(PolicyError::Schema {
                reason: warning.to_string(),
            });
        }
        let mut all = cedar_policy::PolicySet::new();
        for (name, text) in files
            .iter()
            .filter(|(name, _)| name.as_str() != SCHEMA_FILE)
        {
            add_file(&mut all, name, text)?;
        }
        validate(&schema, &all)?;
        let by_action = split_by_action(&schema, &all)?;
        let texts = all
            .policies()
            .map(|p| (p.id().to_string(), p.to_string()))
            .collect();
        Ok(Self {
            root: root(&files),
            schema,
            by_action,
            texts,
        })
    }

    /// SHA-256 over the names and contents of schema and policies: the policies' version.
    #[must_use]
    pub fn root(&self) -> B256 {
        self.root
    }

    /// Ids of all policies, sorted.
    pub fn rule_ids(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// The text of a policy, for those allowed to know.
    #[must_use]
    pub fn rule_source(&self, id: &str) -> Option<&str> {
        self.texts.get(id).map(String::as_str)
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The policies that can concern an action.
    pub(crate) fn for_action(&self, action: Action) -> Option<&cedar_policy::PolicySet> {
        self.by_action.get(&action)
    }
}

fn add_file(all: &mut cedar_policy::PolicySet, name: &str, text: &str) -> Result<(), PolicyError> {
    let file = cedar_policy::PolicySet::from_str(text).map_err(|error| PolicyError::Syntax {
        name: name.to_owned(),
        reason: report(&error),
    })?;
    if file.templates().next().is_some() {
        return Err(PolicyError::Template {
            name: name.to_owned(),
        });
    }
    for policy in file.policies() {
        let id = policy
            .annotation("id")
            .filter(|id| is_rule_id(id))
            .ok_or_else(|| PolicyError::NoId {
                name: name.to_owned(),
                policy: policy.to_string(),
            })?;
        all.add(policy.new_id(PolicyId::new(id)))
            .map_err(|_| PolicyError::DuplicateId {
                id: id.to_owned(),
                name: name.to_owned(),
            })?;
    }
    Ok(())
}

fn is_rule_id(id: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let reserved = id == crate::DEFAULT_DENY || id == crate::EVALUATION_ERROR;
    !id.is_empty() && id.len() <= 64 && id.bytes().all(legal) && !reserved
}

fn validate(schema: &Schema, policies: &cedar_policy::PolicySet) -> Result<(), PolicyError> {
    let result = Validator::new(schema.clone()).validate(policies, ValidationMode::Strict);
    let errors = result.validation_errors().map(ToString::to_string);
    let warnings = result.validation_warnings().map(ToString::to_string);
    let problems: Vec<String> = errors.chain(warnings).collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(PolicyError::Invalid { problems })
    }
}

/// One set for each action, so that a decision evaluates only what can concern it.
fn split_by_action(
    schema: &Schema,
    all: &cedar_policy::PolicySet,
) -> Result<BTreeMap<Action, cedar_policy::PolicySet>, PolicyError> {
    let known: BTreeSet<String> = schema
        .actions()
        .map(|uid| uid.id().unescaped().into())
        .collect();
    let mut split = BTreeMap::new();
    for action in Action::ALL {
        if !known.contains(action.as_str()) {
            return Err(PolicyError::MissingAction {
                action: action.as_str(),
            });
        }
        let concerns = |constraint: ActionConstraint| match constraint {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => uid.id().unescaped() == action.as_str(),
            // The schema has no groups of actions: `in` lists actions themselves.
            ActionConstraint::In(uids) => uids
                .iter()
                .any(|uid| uid.id().unescaped() == action.as_str()),
        };
        let policies = all
            .policies()
            .filter(|p| concerns(p.action_constraint()))
            .cloned();
        let set = cedar_policy::PolicySet::from_policies(policies).map_err(|error| {
            PolicyError::Invalid {
                problems: vec![error.to_string()],
            }
        })?;
        split.insert(action, set);
    }
    if schema.action_groups().next().is_some() {
        let problem = "the schema has groups of actions; name actions in policies instead";
        return Err(PolicyError::Invalid {
            problems: vec![problem.to_owned()],
        });
    }
    Ok(split)
}

fn root(files: &BTreeMap<String, String>) -> B256 {
    let mut hash = Sha256::new_with_prefix([domain::POLICY_ROOT]);
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for (name, text) in files {
        field(name.as_bytes());
        field(text.as_bytes());
    }
    B256::from_slice(&hash.finalize())
}

/// An error with its causes and hints in one line.
fn report(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
