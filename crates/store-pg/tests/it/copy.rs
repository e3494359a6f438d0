//! Binary COPY.

use cloister_store_pg::copy::CopyRows;

use crate::Store;

/// What the columns hold.
type Row = (
    Option<i64>,
    Option<i32>,
    Option<i16>,
    Option<bool>,
    Option<Vec<u8>>,
    Option<String>,
);

#[tokio::test]
async fn copies_rows_of_every_kind() {
    let store = Store::start().await;
    let database = store.connect().await;
    sqlx::query("CREATE TABLE t (a bigint, b integer, c smallint, d boolean, e bytea, f text)")
        .execute(database.pool())
        .await
        .unwrap();
    let mut connection = database.pool().acquire().await.unwrap();
    let mut rows = CopyRows::new(6);
    assert!(rows.is_empty());
    let long = vec![7_u8; 3 * 1024 * 1024];
    rows.row()
        .i64(i64::MIN)
        .i32(-5)
        .i16(7)
        .bool(true)
        .bytes(&long)
        .text("grüezi");
    rows.row()
        .null()
        .null()
        .null()
        .null()
        .optional_bytes(None)
        .null();
    rows.write(&mut connection, "t (a, b, c, d, e, f)")
        .await
        .unwrap();
    CopyRows::new(6)
        .write(&mut connection, "t (a, b, c, d, e, f)")
        .await
        .unwrap();

    let found: Vec<Row> = sqlx::query_as("SELECT a, b, c, d, e, f FROM t ORDER BY a NULLS LAST")
        .fetch_all(database.pool())
        .await
        .unwrap();
    let full = (
        Some(i64::MIN),
        Some(-5),
        Some(7),
        Some(true),
        Some(long),
        Some("grüezi".to_owned()),
    );
    assert_eq!(found, [full, (None, None, None, None, None, None)]);
}

#[tokio::test]
async fn writes_nothing_when_one_row_violates_a_constraint() {
    let store = Store::start().await;
    let database = store.connect().await;
    sqlx::query("CREATE TABLE t (a bigint PRIMARY KEY)")
        .execute(database.pool())
        .await
        .unwrap();
    let mut connection = database.pool().acquire().await.unwrap();
    let mut rows = CopyRows::new(1);
    rows.row().i64(1);
    rows.row().i64(1);
    let error = rows.write(&mut connection, "t (a)").await.unwrap_err();
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .unwrap()
        .into_owned();
    assert_eq!(code, "23505");
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM t")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    assert_eq!(count, 0);
}
