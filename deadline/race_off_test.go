//go:build !race

package deadline_test

const raceDetector = false
