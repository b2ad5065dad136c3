// Package bench compares firebreak with other libraries, and with the stack that
// one writes by hand, at the same job in the same run. It has benchmarks and
// tests only; the tests hold the budgets of allocations, memory and goroutines.
//
// cmd/table runs the benchmarks and prints the table that stands in README.md.
package bench
