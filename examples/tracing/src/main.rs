//! Runs an order with a token and one without, and shows the log lines and the counts.
//!
//! ```sh
//! cargo run -p entracte-example-tracing
//! ```

use entracte::{Engine, Headers};
use traced::guard::TOKEN;
use traced::orders::ORDER;
use traced::{Attempts, Guard, install};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_target(false).init();
    let attempts = Attempts::default();
    let engine = install(Engine::in_memory(), &attempts, Guard::new(["let-me-in"])).start().await?;

    let mut headers = Headers::new();
    headers.insert(TOKEN, "let-me-in")?;
    let run = engine.start_workflow(ORDER, 4_200).workflow_id("order-1").headers(headers).await?;
    println!("{}", run.result().await?);

    let run = engine.start_workflow(ORDER, 100).workflow_id("order-2").await?;
    match run.result().await {
        Ok(label) => println!("{label}, though there was no token"),
        Err(error) => println!("refused: {error}"),
    }
    engine.shutdown().await?;
    print!("{attempts}");
    Ok(())
}
