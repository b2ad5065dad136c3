//go:build !race

package firebreak_test

const raceDetector = false
