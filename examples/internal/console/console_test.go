package console_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/console"
	"github.com/firebreak-go/firebreak/examples/internal/programtest"
)

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                        "0ms",
		time.Microsecond:         "0.1ms",
		1234 * time.Microsecond:  "1.2ms",
		12345 * time.Microsecond: "12ms",
		999 * time.Millisecond:   "999ms",
		time.Second:              "1.00s",
		12345 * time.Millisecond: "12.35s",
	} {
		if got := console.Short(d); got != want {
			t.Errorf("Short(%v): got %s, want %s", d, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for _, tt := range []struct {
		n, all int
		want   string
	}{{0, 0, "-"}, {0, 9, "0%"}, {1, 1000, "<1%"}, {1, 100, "1%"}, {1, 3, "33%"}, {999, 1000, ">99%"}, {9, 9, "100%"}} {
		if got := console.Percent(tt.n, tt.all); got != tt.want {
			t.Errorf("Percent(%d, %d): got %s, want %s", tt.n, tt.all, got, tt.want)
		}
	}
}

func TestPrintWrapped(t *testing.T) {
	var out bytes.Buffer
	long := "a-word-that-is-longer-than-a-line-may-be-at-the-most-which-is-seventy-nine-columns-wide"
	console.PrintWrapped(&out, "→ ", []string{
		"twenty-columns-a-20-", "twenty-columns-b-20-", "twenty-columns-c-20-", "fourteen-col-d", "e", "two words",
	})
	programtest.CheckWidth(t, out.String())
	console.PrintWrapped(&out, "x ", []string{long, "y"})
	console.PrintWrapped(&out, "z", nil)
	console.PrintText(&out, " of\nmany  parts ")
	want := "→ twenty-columns-a-20- twenty-columns-b-20- twenty-columns-c-20- fourteen-col-d\n" +
		"  e two words\n" +
		"x " + long + "\n  y\n" +
		"z\n" +
		"of many parts\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// On a terminal a Line is rewritten in place, elsewhere there is none.
func TestLine(t *testing.T) {
	for terminal, want := range map[bool]string{false: "", true: "\r1 came\x1b[K\r2 came\x1b[K\r\x1b[K"} {
		var out bytes.Buffer
		l := console.NewLine(&out)
		if l.Terminal {
			t.Error("a buffer is taken for a terminal")
		}
		l.Terminal = terminal
		l.Showf("%d came", 1)
		l.Showf("%d came", 2)
		l.Clear()
		if out.String() != want {
			t.Errorf("terminal %t: got %q, want %q", terminal, out.String(), want)
		}
	}
}

func TestIsTerminal(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	device, err := os.Open(os.DevNull) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	t.Setenv("TERM", "xterm")
	if console.IsTerminal(file) || !console.IsTerminal(device) {
		t.Errorf("a file: got %t, a device: got %t, want false and true", console.IsTerminal(file), console.IsTerminal(device))
	}
	t.Setenv("TERM", "dumb")
	if console.IsTerminal(device) {
		t.Error("a dumb terminal: got true, want false")
	}
}
