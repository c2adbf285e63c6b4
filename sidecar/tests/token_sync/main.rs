//! `sidecar token-sync` as the kubelet runs it: the real program on real files and volumes.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does, by a panic")]

mod broken;
mod command;
mod disk;
mod home;
mod openclaw;
