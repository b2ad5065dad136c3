// Command ta801 is a service that runs commands.
package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

func main() {
	http.HandleFunc("/", handle)
	server := &http.Server{Addr: "localhost:8080", ReadHeaderTimeout: time.Second}
	_ = server.ListenAndServe()
}

func handle(w http.ResponseWriter, r *http.Request) {
	out, err := exec.Command("dmsetup", "status").Output() // want `TA801: exec.Command ignores r.Context\(\): use exec.CommandContext\(r.Context\(\), …\)`
	if err == nil {
		_, _ = w.Write(out)
	}
	status()
	fetch(r.Context(), ".")
	inTime(r.Context())
	_ = child()
	_ = shell()
	_ = started()
	_ = hook(os.Getenv("HOOK"))
}

func status() string {
	var out bytes.Buffer
	cmd := exec.Command("docker", "ps") // want `TA801: the command is waited for, and nothing ends it`
	cmd.Stdout = &out
	_ = cmd.Run()
	return out.String()
}

func fetch(ctx context.Context, dir string) {
	for _, cmd := range []*exec.Cmd{
		exec.Command("git", "-C", dir, "fetch"), // want `TA801: exec.Command ignores ctx`
	} {
		_ = cmd.Run()
	}
}

func inTime(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_ = exec.CommandContext(ctx, "git", "fetch").Run()
}

// A child that is started is supervised.
func child() error {
	cmd := exec.Command("worker")
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }()
	return nil
}

func build() *exec.Cmd { return exec.Command("worker", "-v") }

func started() error { return build().Start() }

// A person talks to it.
func shell() error {
	cmd := exec.Command("sh")
	cmd.Stdin = os.Stdin
	return cmd.Run()
}

// Somebody wrote the command: it takes as long as that person likes.
func hook(line string) error {
	words := strings.Fields(line)
	return exec.Command(words[0], words[1:]...).Run()
}
