// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// Closures, iterators, boxed traits and panics that unwind.
use std::time::{Duration, Instant};

trait Shape {
    fn area(&self, rounds: u64) -> u64;
}
struct Square(u64);

impl Shape for Square {
    #[inline(never)]
    fn area(&self, rounds: u64) -> u64 {
        std::hint::black_box((0..rounds).fold(self.0, |sum, i| std::hint::black_box(sum.wrapping_mul(31) ^ i)))
    }
}

struct Guard(u64);
impl Drop for Guard {
    #[inline(never)]
    fn drop(&mut self) {
        std::hint::black_box(Square(self.0).area(3000));
    }
}

#[inline(never)]
fn sum_shapes(shapes: &[Box<dyn Shape>]) -> u64 {
    std::hint::black_box(shapes.iter().map(|shape| shape.area(5000)).sum())
}

#[inline(never)]
fn panics(depth: u64) -> u64 {
    let guard = Guard(depth);
    if depth == 0 {
        std::panic::panic_any(7u8);
    }
    std::hint::black_box(panics(depth - 1)) + guard.0
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).map_or(2.0, |text| text.parse().unwrap());
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let shapes: Vec<Box<dyn Shape>> = (0..50).map(|i| Box::new(Square(i)) as Box<dyn Shape>).collect();
    let mut total = 0u64;
    std::panic::set_hook(Box::new(|_| {}));
    while Instant::now() < end {
        total = total.wrapping_add(sum_shapes(&shapes));
        total += std::panic::catch_unwind(|| panics(20)).is_err() as u64;
    }
    println!("{total}");
}
