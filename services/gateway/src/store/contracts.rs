//! Contracts that policies know, and deployments whose outcome is not recorded yet.

use alloy_primitives::{Address, B256};
use cloister_types::UnixMillis;
use sqlx::PgPool;

use super::{corrupt, from_millis, to_millis};

/// A contract as the registry holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Where it is.
    pub address: Address,
    /// The desk that owns it.
    pub desk: Option<String>,
    /// The wallet that deployed it.
    pub deployer: Address,
    /// Policy template.
    pub template: String,
    /// JSON ABI, when one was attached.
    pub abi: Option<String>,
    /// When its deployment was recorded.
    pub recorded_at: UnixMillis,
    /// Who attached template and ABI last, when somebody has.
    pub registration: Option<Registration>,
}

/// Who attached template and ABI to a contract, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// When.
    pub at: UnixMillis,
    /// Issuer of the principal.
    pub issuer: String,
    /// Subject of the principal.
    pub subject: String,
}

/// What is attached to a contract.
#[derive(Debug)]
pub struct Attachment<'a> {
    /// The contract.
    pub contract: Address,
    /// Policy template.
    pub template: &'a str,
    /// JSON ABI; without it the template's.
    pub abi: Option<&'a str>,
    /// Who attaches it, and when.
    pub registration: Registration,
    /// When it was registered last, as it was decided about.
    pub seen: Option<UnixMillis>,
}

/// A deployment that was handed to the sequencer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Hash of the transaction.
    pub transaction: B256,
    /// The address that the contract will have.
    pub address: Address,
    /// Issuer of the deployer.
    pub issuer: String,
    /// Subject of the deployer.
    pub subject: String,
    /// The wallet that signed.
    pub wallet: Address,
    /// The desk that will own it.
    pub desk: Option<String>,
}

#[derive(sqlx::FromRow)]
struct RegisteredRow {
    address: Vec<u8>,
    desk: Option<String>,
    deployer: Vec<u8>,
    template: String,
    abi: Option<String>,
    recorded_at_ms: i64,
    registered_at_ms: Option<i64>,
    registered_issuer: Option<String>,
    registered_subject: Option<String>,
}

impl RegisteredRow {
    fn read(self) -> sqlx::Result<Registered> {
        let who = (self.registered_issuer, self.registered_subject);
        let registration = match (self.registered_at_ms, who) {
            (Some(at), (Some(issuer), Some(subject))) => Some(Registration {
                at: from_millis(at),
                issuer,
                subject,
            }),
            _ => None,
        };
        Ok(Registered {
            address: address(&self.address, "contracts.address")?,
            desk: self.desk,
            deployer: address(&self.deployer, "contracts.deployer")?,
            template: self.template,
            abi: self.abi,
            recorded_at: from_millis(self.recorded_at_ms),
            registration,
        })
    }
}

type DeploymentRow = (Vec<u8>, Vec<u8>, String, String, Vec<u8>, Option<String>);

fn address(bytes: &[u8], what: &'static str) -> sqlx::Result<Address> {
    Address::try_from(bytes).map_err(|_| corrupt(what))
}

/// Those of `addresses` that are registered.
///
/// # Errors
/// The database.
pub async fn find(pool: &PgPool, addresses: &[Address]) -> sqlx::Result<Vec<Registered>> {
    let keys: Vec<&[u8]> = addresses.iter().map(|address| address.as_slice()).collect();
    let rows: Vec<RegisteredRow> = sqlx::query_as(
        "SELECT address, desk, deployer, template, abi, recorded_at_ms, registered_at_ms,
                registered_issuer, registered_subject
         FROM contracts WHERE address = ANY($1)",
    )
    .bind(keys)
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(RegisteredRow::read).collect()
}

/// Notes a deployment before it is submitted.
///
/// # Errors
/// The database.
pub async fn announce(pool: &PgPool, deployment: &Deployment, now: UnixMillis) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO deployments
           (transaction_hash, address, issuer, subject, wallet, desk, submitted_at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (transaction_hash) DO NOTHING",
    )
    .bind(deployment.transaction.as_slice())
    .bind(deployment.address.as_slice())
    .bind(&deployment.issuer)
    .bind(&deployment.subject)
    .bind(deployment.wallet.as_slice())
    .bind(&deployment.desk)
    .bind(to_millis(now))
    .execute(pool)
    .await?;
    Ok(())
}

/// Deployments whose outcome is not recorded, submitted before `before`, oldest first.
///
/// # Errors
/// The database.
pub async fn unsettled(
    pool: &PgPool,
    before: UnixMillis,
    limit: i64,
) -> sqlx::Result<Vec<Deployment>> {
    let rows: Vec<DeploymentRow> = sqlx::query_as(
        "SELECT transaction_hash, address, issuer, subject, wallet, desk FROM deployments
         WHERE submitted_at_ms < $1 ORDER BY submitted_at_ms LIMIT $2",
    )
    .bind(to_millis(before))
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|(hash, at, issuer, subject, wallet, desk)| {
            Ok(Deployment {
                transaction: B256::try_from(hash.as_slice())
                    .map_err(|_| corrupt("deployments.transaction_hash"))?,
                address: address(&at, "deployments.address")?,
                issuer,
                subject,
                wallet: address(&wallet, "deployments.wallet")?,
                desk,
            })
        })
        .collect()
}

/// Records the contract of an included deployment and forgets the announcement, in one statement.
///
/// # Errors
/// The database.
pub async fn record(
    pool: &PgPool,
    deployment: &Deployment,
    template: &str,
    now: UnixMillis,
) -> sqlx::Result<()> {
    sqlx::query(
        "WITH announced AS (DELETE FROM deployments WHERE transaction_hash = $2)
         INSERT INTO contracts (address, transaction_hash, issuer, subject, deployer, desk,
                                template, recorded_at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (address) DO NOTHING",
    )
    .bind(deployment.address.as_slice())
    .bind(deployment.transaction.as_slice())
    .bind(&deployment.issuer)
    .bind(&deployment.subject)
    .bind(deployment.wallet.as_slice())
    .bind(&deployment.desk)
    .bind(template)
    .bind(to_millis(now))
    .execute(pool)
    .await?;
    Ok(())
}

/// Forgets a deployment that created nothing.
///
/// # Errors
/// The database.
pub async fn forget(pool: &PgPool, transaction: B256) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM deployments WHERE transaction_hash = $1")
        .bind(transaction.as_slice())
        .execute(pool)
        .await?;
    Ok(())
}

/// Attaches template and ABI to a contract. `Ok(false)`: there is none, or somebody else has
/// registered it since it was decided who may.
///
/// # Errors
/// The database.
pub async fn attach(pool: &PgPool, attachment: &Attachment<'_>) -> sqlx::Result<bool> {
    let Registration {
        at,
        issuer,
        subject,
    } = &attachment.registration;
    let changed = sqlx::query(
        "UPDATE contracts
         SET template = $2, abi = $3, registered_at_ms = greatest($4, registered_at_ms + 1),
             registered_issuer = $5, registered_subject = $6
         WHERE address = $1 AND registered_at_ms IS NOT DISTINCT FROM $7",
    )
    .bind(attachment.contract.as_slice())
    .bind(attachment.template)
    .bind(attachment.abi)
    .bind(to_millis(*at))
    .bind(issuer)
    .bind(subject)
    .bind(attachment.seen.map(to_millis))
    .execute(pool)
    .await?;
    Ok(changed.rows_affected() == 1)
}
