//! Tests that nothing is left when the demo stops. In a binary of its own with this one test, because it counts
//! the process's threads.
#![cfg(target_os = "linux")]

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use embedded::{Demo, DemoSettings};
use tokio::runtime::Runtime;

#[test]
fn a_stopped_demo_leaves_no_thread_and_no_port() {
    let before = threads();
    let runtime = Runtime::new().unwrap();
    let addresses = runtime.block_on(async {
        let demo = Demo::start(DemoSettings::default()).await.unwrap();
        let registry = demo.registry_url();
        let addresses = [
            demo.bootstrap_servers().to_owned(),
            registry.trim_start_matches("http://").to_owned(),
        ]
        .map(|address| address.parse::<SocketAddr>().unwrap());
        for address in addresses {
            TcpStream::connect(address).unwrap();
        }
        demo.stop().await;
        addresses
    });
    for address in addresses {
        TcpStream::connect(address).unwrap_err();
    }
    drop(runtime);
    // A thread that has been joined may be listed for a moment.
    let deadline = Instant::now() + Duration::from_secs(10);
    while threads() != before && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(threads(), before);
}

/// The names of the process's threads.
fn threads() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir("/proc/self/task")
        .expect("Linux lists a process's threads")
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
        .collect();
    names.sort();
    names
}
