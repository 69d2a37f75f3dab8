//! The engine without sockets: the pond by itself, and connections over streams in memory.

mod connection;
mod faults;
mod handshake;
mod memory;
mod pond;
mod rest;
mod send_queue;
mod turns;
mod work;
