//! Heads of the services' audit ledgers.

use alloy_primitives::B256;

use super::{
    Store, StoreError,
    convert::{b256_of, bigint, u64_of},
};
use crate::app::audit_heads::AuditHead;

impl Store {
    /// All heads, by name of the ledger.
    pub(crate) async fn audit_heads(&self) -> Result<Vec<(String, AuditHead)>, StoreError> {
        let rows: Vec<(String, i64, Vec<u8>)> =
            sqlx::query_as("select ledger, count, head from audit_head order by ledger")
                .fetch_all(self.pool())
                .await?;
        rows.into_iter()
            .map(|(ledger, count, head)| {
                let count = u64_of("audit_head.count", count)?;
                Ok((
                    ledger,
                    AuditHead {
                        count,
                        head: b256_of("audit_head.head", &head)?,
                    },
                ))
            })
            .collect()
    }

    /// Records a head unless a later one is there. Answers what is recorded now.
    pub(crate) async fn put_audit_head(
        &self,
        ledger: &str,
        head: AuditHead,
    ) -> Result<AuditHead, StoreError> {
        let (count, head): (i64, Vec<u8>) = sqlx::query_as(
            "insert into audit_head as old (ledger, count, head) values ($1, $2, $3)
             on conflict (ledger) do update set
                 count = greatest(old.count, excluded.count),
                 head = case when excluded.count > old.count then excluded.head else old.head end
             returning count, head",
        )
        .bind(ledger)
        .bind(bigint(head.count)?)
        .bind(head.head.as_slice())
        .fetch_one(self.pool())
        .await?;
        let head: B256 = b256_of("audit_head.head", &head)?;
        Ok(AuditHead {
            count: u64_of("audit_head.count", count)?,
            head,
        })
    }
}
