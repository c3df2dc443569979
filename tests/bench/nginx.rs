//! nginx as a plain reverse proxy, with its connections to the upstream kept alive.

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
};

use troth_tests::{Running, eventually};

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Nginx {
    /// Where it listens.
    pub(crate) address: String,
    process: Running,
}

impl Nginx {
    /// Starts one in front of `upstream`, with all its files in `home`.
    pub(crate) fn start(home: &Path, upstream: &str) -> Self {
        // nginx cannot say which port it got: one that was free a moment ago is asked for.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let home = home.join("nginx");
        std::fs::create_dir_all(&home).unwrap();
        let config = CONFIG
            .replace("ADDRESS", &address)
            .replace("UPSTREAM", upstream)
            .replace("HOME", home.to_str().unwrap());
        std::fs::write(home.join("nginx.conf"), config).unwrap();
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("nginx");
        command.env("PATH", path).arg("-e").arg(home.join("error.log"));
        let process = Running::start(command.arg("-p").arg(&home).arg("-c").arg("nginx.conf"));
        eventually("nginx listens", || TcpStream::connect(&address).ok());
        Self { address, process }
    }

    /// The workers, which do the work.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let id = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.split_whitespace().filter_map(|id| id.parse().ok()).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed, it would leave its workers behind.
        self.process.terminate();
        self.process.wait();
    }
}

const CONFIG: &str = "
daemon off;
master_process on;
worker_processes 2;
pid HOME/nginx.pid;
error_log HOME/error.log warn;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path HOME/body;
  proxy_temp_path HOME/proxy;
  fastcgi_temp_path HOME/fastcgi;
  uwsgi_temp_path HOME/uwsgi;
  scgi_temp_path HOME/scgi;
  keepalive_requests 1000000;
  upstream model { server UPSTREAM; keepalive 64; keepalive_requests 1000000; }
  server {
    listen ADDRESS;
    location / {
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_buffering off;
    }
  }
}
";
