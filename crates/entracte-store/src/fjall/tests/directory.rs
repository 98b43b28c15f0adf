//! What may be opened, and what is left alone.

use super::*;
use crate::ext::StoreExt;
use crate::fjall::layout::FORMAT_FILE;

#[tokio::test]
async fn a_second_opening_is_refused_while_the_first_lasts() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let store = open(path).await.unwrap();
    let error = open(path).await.unwrap_err();
    assert!(matches!(&error, StoreError::Locked { path: locked } if locked == path), "{error}");
    store.commit(batch("k", "v"), Persist::Sync).await.unwrap();
    store.close().await.unwrap();
    open(path).await.unwrap();
}

#[tokio::test]
async fn a_missing_directory_is_made_for_its_owner_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("outer").join("data");
    let store = open(&path).await.unwrap();
    assert_eq!(store.format().unwrap(), Some(FORMAT_SUPPORTED));
    assert_eq!(fs::read_to_string(path.join(FORMAT_FILE)).unwrap(), "entracte store format 2\n");
    #[cfg(unix)]
    {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[tokio::test]
async fn a_file_is_not_a_directory() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "text").unwrap();
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::NotADirectory { .. }), "{error}");
    let error = open(&path.join("below")).await.unwrap_err();
    assert!(matches!(error, StoreError::Io { .. } | StoreError::CreateDirectory { .. }), "{error}");
}

#[tokio::test]
async fn a_foreign_directory_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    fs::write(path.join("letter.txt"), "dear").unwrap();
    let error = open(path).await.unwrap_err();
    assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
    assert_eq!(fs::read_dir(path).unwrap().count(), 1, "nothing was written");

    fs::remove_file(path.join("letter.txt")).unwrap();
    for text in ["", "entracte store format x\n", "entracte store format 0\n", "another program\n"]
    {
        fs::write(path.join(FORMAT_FILE), text).unwrap();
        let error = open(path).await.unwrap_err();
        assert!(matches!(error, StoreError::NotAStore { .. }), "{text:?}: {error}");
        assert_eq!(fs::read_dir(path).unwrap().count(), 1, "nothing was written");
    }
}

#[tokio::test]
async fn a_newer_format_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    fs::write(path.join(FORMAT_FILE), "entracte store format 7\n").unwrap();
    let error = open(path).await.unwrap_err();
    assert!(matches!(error, StoreError::NewerFormat { found: 7, supported: 2, .. }), "{error}");
    assert_eq!(fs::read_dir(path).unwrap().count(), 1, "nothing was written");
}

#[tokio::test]
async fn a_newer_format_row_is_refused() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await.unwrap();
    let mut newer = Batch::new();
    newer.put_format(7);
    store.commit(newer, Persist::Sync).await.unwrap();
    store.close().await.unwrap();
    let error = open(directory.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::NewerFormat { found: 7, supported: 2, .. }), "{error}");
}

#[tokio::test]
async fn a_lost_format_row_is_corruption() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await.unwrap();
    let mut lost = batch("k", "v");
    lost.delete(Space::Meta, crate::keys::FORMAT_KEY);
    store.commit(lost, Persist::Sync).await.unwrap();
    store.close().await.unwrap();
    let error = open(directory.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::CorruptRow { space: Space::Meta, .. }), "{error}");
}

#[tokio::test]
async fn a_first_opening_that_broke_off_before_the_journal_is_taken_up_again() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("LOCK"), "").unwrap();
    open(directory.path()).await.unwrap().close().await.unwrap();

    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("LOCK"), "").unwrap();
    fs::write(directory.path().join("FORMAT.new"), "entr").unwrap();
    open(directory.path()).await.unwrap().close().await.unwrap();
}

/// Whoever may write anywhere, as a superuser may, is not held up by permissions.
#[cfg(unix)]
#[tokio::test]
async fn a_directory_that_may_not_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let directory = TempDir::new().unwrap();
    let path = directory.path().join("data");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o500)).unwrap();
    let may_write = fs::write(path.join("LOCK"), "").is_ok();
    match open(&path).await {
        Ok(_) => assert!(may_write),
        Err(StoreError::PermissionDenied { path: named }) => {
            assert!(!may_write);
            assert_eq!(named, path.join("LOCK"));
        }
        Err(error) => panic!("{error}"),
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
}
