//! Prints the queen's OpenAPI document: `cargo run -q -p swarm-queen --example openapi`.

fn main() {
    println!("{}", swarm_queen::openapi());
}
