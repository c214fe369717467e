// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// Goroutines on their small stacks, a channel, a map, garbage, defer and recover.
package main

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"time"
)

//go:noinline
func burn(rounds uint64) uint64 {
	value := rounds
	for i := uint64(0); i < rounds; i++ {
		value = value*6364136223846793005 + 1442695040888963407
	}
	return value
}

//go:noinline
func deep(depth int) uint64 {
	if depth == 0 {
		return burn(100000)
	}
	return deep(depth-1) + 1
}

//go:noinline
func recovers() (result uint64) {
	defer func() { recover(); result = burn(1000) }()
	panic("again")
}

func work(end time.Time, done chan uint64) {
	sum := uint64(0)
	for time.Now().Before(end) {
		sum += deep(30) + recovers()
		words := map[string]int{}
		for i := 0; i < 500; i++ {
			words[strconv.Itoa(i*7919%1009)] = i
		}
		keys := make([]string, 0, len(words))
		for key := range words {
			keys = append(keys, key)
		}
		sort.Strings(keys)
	}
	done <- sum
}

func main() {
	seconds := 2.0
	if len(os.Args) > 1 {
		seconds, _ = strconv.ParseFloat(os.Args[1], 64)
	}
	end := time.Now().Add(time.Duration(seconds * 1e9))
	done := make(chan uint64)
	for i := 0; i < 4; i++ {
		go work(end, done)
	}
	sum := uint64(0)
	for i := 0; i < 4; i++ {
		sum += <-done
	}
	fmt.Println(sum)
}
