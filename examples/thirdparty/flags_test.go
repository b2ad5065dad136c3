package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/examples/internal/programtest"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		args string
		want options
	}{
		{"", options{duration: 24 * time.Second, rps: 60}},
		{"-duration 2s -rps 1", options{duration: 2 * time.Second, rps: 1}},
		{"-duration=10m -rps=300", options{duration: 10 * time.Minute, rps: 300}},
		{"--rps 20 --url http://127.0.0.1:80/x?y=z", options{duration: 24 * time.Second, rps: 20, url: "http://127.0.0.1:80/x?y=z"}},
		{"-url https://api.example.com", options{duration: 24 * time.Second, rps: 5, url: "https://api.example.com"}},
		{"-url https://[::1]:8443/", options{duration: 24 * time.Second, rps: 5, url: "https://[::1]:8443/"}},
		{"-otlp localhost:4318", options{duration: 24 * time.Second, rps: 60, otlp: "localhost:4318"}},
	} {
		got, err := parse(strings.Fields(tt.args))
		if got != tt.want || err != nil {
			t.Errorf("parse(%q): got %+v, %v, want %+v", tt.args, got, err, tt.want)
		}
	}
}

func TestBadFlags(t *testing.T) {
	const (
		wantDuration = "want a time from 2s to 10m, such as 24s"
		wantRPS      = "want a whole number from 1 to 300"
		wantURL      = "want an address such as https://api.example.com/health"
		wantOTLP     = "want host:port, such as 127.0.0.1:4318"
	)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-frobnicate"}, `flag provided but not defined: -frobnicate`},
		{[]string{"-v"}, `flag provided but not defined: -v`},
		{[]string{"now"}, `unexpected argument "now"`},
		{[]string{"-rps", "5", "now", "-rps", "6"}, `unexpected argument "now"`},
		{[]string{"--", "-rps"}, `unexpected argument "-rps"`},
		{[]string{"-rps"}, `flag needs an argument: -rps`},
		{[]string{"-rps", "0"}, `invalid value "0" for flag -rps: ` + wantRPS},
		{[]string{"-rps", "-1"}, `invalid value "-1" for flag -rps: ` + wantRPS},
		{[]string{"-rps", "301"}, `invalid value "301" for flag -rps: ` + wantRPS},
		{[]string{"-rps", "1.5"}, `invalid value "1.5" for flag -rps: ` + wantRPS},
		{[]string{"-rps", "99999999999999999999"}, `invalid value "99999999999999999999" for flag -rps: ` + wantRPS},
		{[]string{"-rps", ""}, `invalid value "" for flag -rps: ` + wantRPS},
		{[]string{"-rps", "21", "-url", "http://a"}, `invalid value "21" for flag -rps: want at most 20 with -url`},
		{[]string{"-duration", "0"}, `invalid value "0" for flag -duration: ` + wantDuration},
		{[]string{"-duration", "-5s"}, `invalid value "-5s" for flag -duration: ` + wantDuration},
		{[]string{"-duration", "1999ms"}, `invalid value "1999ms" for flag -duration: ` + wantDuration},
		{[]string{"-duration", "601s"}, `invalid value "601s" for flag -duration: ` + wantDuration},
		{[]string{"-duration", "24"}, `invalid value "24" for flag -duration: ` + wantDuration},
		{[]string{"-url", ""}, `invalid value "" for flag -url: ` + wantURL},
		{[]string{"-url", "api.example.com"}, `invalid value "api.example.com" for flag -url: ` + wantURL},
		{[]string{"-url", "http://"}, `invalid value "http://" for flag -url: ` + wantURL},
		{[]string{"-url", "http://:80/"}, `invalid value "http://:80/" for flag -url: ` + wantURL},
		{[]string{"-url", "ftp://a/"}, `invalid value "ftp://a/" for flag -url: ` + wantURL},
		{[]string{"-url", "http://a:99999/"}, `invalid value "http://a:99999/" for flag -url: ` + wantURL},
		{[]string{"-url", "http://a b/"}, `invalid value "http://a b/" for flag -url: ` + wantURL},
		{[]string{"-url", "http://a\n/"}, `invalid value "http://a\n/" for flag -url: ` + wantURL},
		{[]string{"-otlp", "localhost"}, `invalid value "localhost" for flag -otlp: ` + wantOTLP},
		{[]string{"-otlp", ":4318"}, `invalid value ":4318" for flag -otlp: ` + wantOTLP},
		{[]string{"-otlp", "a:0"}, `invalid value "a:0" for flag -otlp: ` + wantOTLP},
		{[]string{"-otlp", "a:"}, `invalid value "a:" for flag -otlp: ` + wantOTLP},
		{[]string{"-otlp", "http://a:4318"}, `invalid value "http://a:4318" for flag -otlp: ` + wantOTLP},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), tt.args, &stdout, &stderr)
		want := "thirdparty: " + tt.want + "; -h shows the flags\n"
		if status != 2 || stderr.String() != want || stdout.Len() > 0 {
			t.Errorf("run(%q): got status %d, stderr %q, stdout %q, want status 2 and %q", tt.args, status, stderr.String(), stdout.String(), want)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, arg := range []string{"-h", "-help", "--help"} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), []string{arg}, &stdout, &stderr)
		if status != 0 || stderr.Len() > 0 {
			t.Errorf("run(%s): got status %d, stderr %q, want status 0 and nothing", arg, status, stderr.String())
		}
		for _, name := range []string{"-duration", "-rps", "-url", "-otlp", "exit status"} {
			if !strings.Contains(stdout.String(), name) {
				t.Errorf("run(%s): got a help without %s", arg, name)
			}
		}
		programtest.CheckWidth(t, stdout.String())
	}
}
