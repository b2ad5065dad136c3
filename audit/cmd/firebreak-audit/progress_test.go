package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgress(t *testing.T) {
	for name, test := range map[string]struct {
		terminal bool
		took     time.Duration
		want     string
	}{
		"no terminal":            {false, time.Minute, ""},
		"two seconds":            {true, 2*time.Second - 1, ""},
		"more than two seconds":  {true, 3500 * time.Millisecond, "\r\x1b[Kloading (2s)\r\x1b[Kaudit (3s)\r\x1b[K"},
		"ends where it would be": {true, 2500 * time.Millisecond, "\r\x1b[Kloading (2s)\r\x1b[K"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				p := startProgress(&command{stderr: &out, terminal: test.terminal})
				p.say("loading")
				time.AfterFunc(2500*time.Millisecond, func() { p.say("audit") })
				time.Sleep(test.took)
				p.stop()
				p.stop() // once is enough
				if got := out.String(); got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		})
	}
}
