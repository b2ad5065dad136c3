package wiretime_test

import (
	"strings"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/internal/wiretime"
)

func TestWireTimes(t *testing.T) {
	for _, test := range []struct {
		value              string
		milliseconds, grpc time.Duration
	}{
		{"1500", 1500 * time.Millisecond, 0},
		{"007", 7 * time.Millisecond, 0},
		{"0", 0, 0},
		{"", 0, 0},
		{"-1", 0, 0},
		{"1.5", 0, 0},
		{" 1", 0, 0},
		{"4611686018427", 4611686018427 * time.Millisecond, 0},
		{"4611686018428", 0, 0},
		{strings.Repeat("9", 10_000), 0, 0},
		{"1H", 0, time.Hour},
		{"2M", 0, 2 * time.Minute},
		{"3S", 0, 3 * time.Second},
		{"4m", 0, 4 * time.Millisecond},
		{"5u", 0, 5 * time.Microsecond},
		{"99999999n", 0, 99999999},
		{"123456789n", 0, 0},
		{"99999999H", 0, 0},
		{"S", 0, 0},
		{"2s", 0, 0},
	} {
		if got := wiretime.Milliseconds(test.value); got != test.milliseconds {
			t.Errorf("Milliseconds(%.20q) = %v, want %v", test.value, got, test.milliseconds)
		}
		if got := wiretime.GRPC(test.value); got != test.grpc {
			t.Errorf("GRPC(%.20q) = %v, want %v", test.value, got, test.grpc)
		}
	}
}
