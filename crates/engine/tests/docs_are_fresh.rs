//! The pages that are built from tables in the code say what the code says.

use std::fs;
use std::path::Path;

#[test]
fn the_pages_about_metrics_and_logs_are_fresh() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let pages =
        [("metrics.md", tidegate_engine::metrics::table::page()), ("log.md", tidegate_engine::log::fields::page())];
    for (name, page) in pages {
        let kept = fs::read_to_string(docs.join(name)).unwrap_or_default();
        assert!(kept == page, "docs/{name} is stale: run `cargo run -p tidegate-engine --example tell_docs`");
    }
}
