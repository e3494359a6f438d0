//! Contracts that policies know, and deployments whose outcome is not recorded yet.

use alloy_primitives::{Address, B256};
use cloister_types::UnixMillis;
use sqlx::PgPool;

use super::{corrupt, to_millis};

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

type RegisteredRow = (Vec<u8>, Option<String>, Vec<u8>, String, Option<String>);
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
        "SELECT address, desk, deployer, template, abi FROM contracts WHERE address = ANY($1)",
    )
    .bind(keys)
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|(at, desk, deployer, template, abi)| {
            Ok(Registered {
                address: address(&at, "contracts.address")?,
                desk,
                deployer: address(&deployer, "contracts.deployer")?,
                template,
                abi,
            })
        })
        .collect()
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

/// Attaches template and ABI to a registered contract. `Ok(false)`: there is none.
///
/// # Errors
/// The database.
pub async fn attach(
    pool: &PgPool,
    contract: Address,
    template: &str,
    abi: Option<&str>,
) -> sqlx::Result<bool> {
    let changed = sqlx::query("UPDATE contracts SET template = $2, abi = $3 WHERE address = $1")
        .bind(contract.as_slice())
        .bind(template)
        .bind(abi)
        .execute(pool)
        .await?;
    Ok(changed.rows_affected() == 1)
}
