package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/firebreak-go/firebreak/audit/internal/engine"
	"github.com/firebreak-go/firebreak/audit/internal/program"
	"github.com/firebreak-go/firebreak/audit/internal/rule"
	"github.com/firebreak-go/firebreak/audit/internal/rules"
)

// A report is what one process found in one module.
type report struct {
	Findings []found
	Files    []string // that were judged
	Problems []string // why packages were left out
	Lines    int      // of the files
	LoadCPU  time.Duration
	AuditCPU time.Duration // SSA form and rules
	LoadWall time.Duration
	Wall     time.Duration // in all
	PeakRSS  int64         // bytes, of the auditor itself
}

// A found is a finding without its program.
type found struct {
	Rule    string
	Level   rule.Level
	At      place
	Uses    []place
	Message string
}

// auditRepo runs the auditor on the module in dir in a process of its own, whose memory can
// be measured and whose crash ends nothing else.
func auditRepo(ctx context.Context, repo, dir string, timeout time.Duration) (*report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "-child", repo, dir)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", repo, err, complaint.Bytes())
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return nil, fmt.Errorf("%s: %w", repo, err)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.PeakRSS = usage.Maxrss << 10
	}
	return &r, nil
}

// child audits the module in dir, and writes its report to standard output.
func child(repo, dir string) error {
	began := time.Now()
	var r report
	loaded, problems, err := program.Load(program.LoadConfig{
		Dir: dir,
		Env: append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "PWD="+dir), // the zip of a module has no vendored code
		Loaded: func() {
			r.LoadCPU, r.LoadWall = cpu(), time.Since(began)
		},
	}, "./...")
	if err != nil {
		return err
	}
	for _, problem := range problems {
		r.Problems = append(r.Problems, problem.Error())
	}
	at := func(p rule.Place) place {
		position := loaded.Fset.Position(p.Pos)
		name, err := filepath.Rel(dir, position.Filename)
		if err != nil {
			name = position.Filename
		}
		return place{repo, filepath.ToSlash(name), position.Line}
	}
	for _, f := range engine.Run(loaded, engine.Config{Rules: rules.All()}) {
		if f.Suppressed != nil {
			continue
		}
		one := found{Rule: f.Rule.ID, Level: f.Level, At: at(rule.Place{Pos: f.Pos}), Message: f.Message}
		for _, use := range f.Uses {
			one.Uses = append(one.Uses, at(use))
		}
		r.Findings = append(r.Findings, one)
	}
	r.AuditCPU, r.Wall = cpu()-r.LoadCPU, time.Since(began)
	for _, pkg := range loaded.Packages {
		for _, file := range pkg.Files {
			whole := loaded.Fset.File(file.FileStart)
			r.Lines += whole.LineCount()
			r.Files = append(r.Files, at(rule.Place{Pos: file.FileStart}).File)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// cpu returns the time that this process and those it waited for have computed.
func cpu() time.Duration {
	var all time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		if syscall.Getrusage(who, &usage) == nil {
			all += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		}
	}
	return all
}
