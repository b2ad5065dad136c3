//go:build race

package deadline_test

// raceDetector says that the tests run under the race detector, which allocates
// and takes its time.
const raceDetector = true
