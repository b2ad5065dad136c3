//go:build !race

package firebreakgrpc_test

const raceEnabled = false
