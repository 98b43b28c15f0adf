use entracte_store::*;
#[tokio::test]
async fn full() {
    let dir = std::env::var("FULLDIR").unwrap();
    let store = FjallStore::open(format!("{dir}/data"), FjallOptions::default()).await.unwrap();
    let t = std::time::Instant::now();
    for n in 0..2000u32 {
        let mut b = Batch::new();
        let mut v = vec![0u8; 256 * 1024];
        let mut x = n as u64 * 7919 + 1;
        for c in v.iter_mut() { x ^= x << 13; x ^= x >> 7; x ^= x << 17; *c = x as u8; }
        b.put(Space::History, n.to_be_bytes().to_vec(), v);
        if let Err(e) = store.commit(b, Persist::Sync).await {
            println!("commit {n} after {:?}: {e:?} / {e}", t.elapsed());
            break;
        }
    }
    println!("get {:?}", store.get(Space::History, &0u32.to_be_bytes()).map(|v| v.map(|v| v.len())));
    println!("again {:?}", store.sync().await);
    println!("close {:?}", store.close().await);
    for _ in 0..2 {
    match FjallStore::open(format!("{dir}/data"), FjallOptions::default()).await {
        Ok(s) => println!("reopened {}", s.scan(Space::History, b"", None, 9999).unwrap().len()),
        Err(e) => println!("reopen: {e:?}"),
    }}
}
