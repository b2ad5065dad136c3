// Audit shows the auditor at work on a small service that has the gaps which services
// have:
//
//	go run ./examples/audit
//
// It audits the service, applies the safe fixes to a copy, and audits that again. Then it
// runs the copy on loopback, calls it, and joins what the runtime auditor saw with what was
// found in the code. Run it in the repository: it needs the go command, and no network.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "audit:", err)
		os.Exit(1)
	}
}

// calls is how often the running service is called.
const calls = 25

func run(ctx context.Context, out io.Writer) (err error) {
	here, err := goCommand(ctx, "", "list", "-f", "{{.Dir}}", "github.com/firebreak-go/firebreak/examples/audit")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	root := filepath.Join(strings.TrimSpace(here), "..", "..")
	s := &show{out: out, tool: filepath.Join(dir, "firebreak-audit"), shop: filepath.Join(dir, "shop")}
	if _, err := goCommand(ctx, filepath.Join(root, "audit"), "build", "-o", s.tool, "./cmd/firebreak-audit"); err != nil {
		return err
	}
	if err := os.CopyFS(s.shop, os.DirFS(filepath.Join(root, "examples", "audit", "shop"))); err != nil {
		return err
	}
	if _, err := goCommand(ctx, s.shop, "mod", "edit", "-replace", "github.com/firebreak-go/firebreak="+root); err != nil {
		return err
	}
	s.heading("What the auditor finds in the service")
	if err := s.audit(ctx); err != nil {
		return err
	}
	s.heading("The safe fixes, in a copy, and what is left")
	if err := s.audit(ctx, "-fix"); err != nil {
		return err
	}
	report := filepath.Join(dir, "runtime.json")
	if err := s.serve(ctx, report); err != nil {
		return err
	}
	s.heading(fmt.Sprintf("The same after %d calls of the running service", calls))
	return s.audit(ctx, "merge", "-runtime", report)
}

// A show is what the steps share.
type show struct {
	out  io.Writer
	tool string // the auditor
	shop string // the copy of the service
}

func (s *show) heading(text string) { fmt.Fprintf(s.out, "\n== %s\n\n", text) }

// audit runs the auditor on the copy. That it finds something is no error.
func (s *show) audit(ctx context.Context, args ...string) error {
	cmd := command(ctx, s.shop, s.tool, args...)
	cmd.Stdout, cmd.Stderr = s.out, s.out
	err := cmd.Run()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && failed.ExitCode() == 1 {
		return nil
	}
	return err
}

// serve runs the copy, calls it, and writes what its runtime auditor saw to report.
func (s *show) serve(ctx context.Context, report string) (err error) {
	program := filepath.Join(filepath.Dir(s.shop), "shop.out")
	if _, err := goCommand(ctx, s.shop, "build", "-o", program, "."); err != nil {
		return err
	}
	cmd := command(ctx, s.shop, program)
	input, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, input.Close(), cmd.Wait()) }() // it ends with its input
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return err
	}
	url := "http://" + strings.TrimSpace(address)
	for range calls {
		if _, err := get(ctx, url+"/price/tea"); err != nil {
			return err
		}
	}
	text, err := get(ctx, url+"/debug/deadlines?format=json")
	if err != nil {
		return err
	}
	return os.WriteFile(report, text, 0o600)
}

func get(ctx context.Context, url string) ([]byte, error) {
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, response.Status)
	}
	return io.ReadAll(response.Body)
}

// command returns a command that ends with ctx. It runs in dir, where the workspace of the
// repository does not count, or if that is "" here.
func command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // the go command, and what it has built
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	if dir != "" {
		cmd.Env = append(os.Environ(), "GOWORK=off")
	}
	return cmd
}

// goCommand runs the go command, and returns what it prints.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	var complaint strings.Builder
	cmd := command(ctx, dir, "go", args...)
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, complaint.String())
	}
	return string(text), nil
}
