//! What the cluster has, kept up to date by one watch, with a wake channel for each user: nobody
//! polls, and nobody asks the API server twice.

mod follow;
mod lean;
mod pods;

pub use follow::{Follow, FollowSignedOut, follow};
pub use pods::{Follower, Pods, Snapshot, TooMany};
