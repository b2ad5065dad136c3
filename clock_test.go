package firebreak_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// Behaviour 219: "keep time.Time from time.Now; no Round(0), UnixNano arithmetic or wall
// times". It holds for all modules of the repository but for what tests do.
func TestA12_219_NoTimeLosesItsMonotonicClock(t *testing.T) {
	strips := regexp.MustCompile(`\.(Round|Truncate)\(0\)|\.Unix(Nano|Micro|Milli)?\(`)
	files := 0
	repository := os.DirFS(".")
	err := fs.WalkDir(repository, ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		text, err := fs.ReadFile(repository, path)
		for i, line := range strings.Split(string(text), "\n") {
			if strips.MatchString(line) {
				t.Errorf("%s:%d: %s: this strips the monotonic clock, keep the time.Time of time.Now", path, i+1, strings.TrimSpace(line))
			}
		}
		return err
	})
	if err != nil || files < 50 {
		t.Errorf("read %d files, error %v, want all of the repository", files, err)
	}
}
