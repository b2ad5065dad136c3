package deadline_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firebreak-go/firebreak/deadline"
)

// show asks a for its page.
func show(a *deadline.Auditor, method, target, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

// lively returns an Auditor that has seen some of everything.
func lively() *deadline.Auditor {
	a := deadline.New(deadline.Config{Level: deadline.Warn, Logger: discard})
	begin := func(op, target string) deadline.Op {
		_, o, _ := a.Begin(background, op, target)
		return o
	}
	for i := range 40 {
		o := begin("sql.query", "pq.Connector")
		time.Sleep(time.Duration(i*i) * time.Millisecond)
		o.End()
	}
	for _, host := range []string{"api.example.com", "eu.api.example.com", "<script>alert(1)</script>"} {
		o := begin("http.client", host)
		time.Sleep(97 * time.Second)
		o.End()
	}
	_ = a.Check(background, "kafka.publish")
	if _, _, err := a.Begin(deadline.Unbounded(background, "the server holds the request until there is news"), "news.poll", "news.example.com"); err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", handleOrder)
	a.Middleware(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders/1", nil))
	begin("cache.load", "a-host-with-a-long-name.of-a-zone.of-a-region.internal.example.com:6379")
	time.Sleep(83 * time.Second)
	begin("cache.load", "cache.example.com")
	time.Sleep(62 * time.Second)
	return a
}

func TestPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := show(lively(), http.MethodGet, "/debug/deadlines", "text/html,application/xhtml+xml,*/*")
		text := w.Body.String()
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("got %d, %v", w.Code, w.Header())
		}
		for _, want := range []string{
			"2 stuck for 1m or more", "<td class=\"n\">2m25s</td>", "deadline_test.lively (page_test.go:", "6 sites, the worst first",
			"1 site without a deadline by design", "called by <code>deadline_test.lively (page_test.go:", "the server holds the request until there is news", "GET /orders/{id}",
			"<dd>1m37s</dd>", "under 1s", "&lt;script&gt;alert(1)&lt;/script&gt;", "level warn",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
		for _, bad := range []string{"<script", "http://", "https://", "src=", "@import", "url("} {
			if strings.Contains(text, bad) {
				t.Errorf("the page has %q", bad)
			}
		}
		if first, second := strings.Index(text, "<h3>cache.load"), strings.Index(text, "<h3>http.client"); first < 0 || first > second {
			t.Error("what is stuck does not come first")
		}
	})
}

func TestEmptyPage(t *testing.T) {
	w := show(deadline.New(deadline.Config{}), http.MethodGet, "/", "")
	if text := w.Body.String(); w.Code != 200 || !strings.Contains(text, "None was seen.") || strings.Contains(text, "stuck for") {
		t.Errorf("got %d:\n%s", w.Code, text)
	}
}

func TestPageAsJSON(t *testing.T) {
	a := deadline.New(deadline.Config{})
	_ = load(a, background)
	for _, test := range []struct {
		target, accept string
		json           bool
	}{
		{"/?format=json", "text/html", true},
		{"/?format=html", "application/json", false},
		{"/", "application/json", true},
		{"/", "application/json, */*;q=0.1", true},
		{"/", "text/html, application/json", false},
		{"/", "*/*", false},
	} {
		w := show(a, http.MethodGet, test.target, test.accept)
		var r deadline.Report
		err := json.Unmarshal(w.Body.Bytes(), &r)
		if isJSON := err == nil && w.Header().Get("Content-Type") == "application/json"; isJSON != test.json || isJSON && len(r.Sites) != 1 {
			t.Errorf("%s, Accept %q: got JSON %v, %v, want %v", test.target, test.accept, isJSON, err, test.json)
		}
	}
}

func TestPageMethods(t *testing.T) {
	a := deadline.New(deadline.Config{})
	if w := show(a, http.MethodPost, "/", ""); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: got %d, %v", w.Code, w.Header())
	}
	if w := show(a, http.MethodHead, "/", ""); w.Code != 200 {
		t.Errorf("HEAD: got %d", w.Code)
	}
}

// A page does not grow with what there is to show.
func TestPageOfMany(t *testing.T) {
	a := deadline.New(deadline.Config{Unbounded: func(_, target string) string {
		if strings.HasPrefix(target, "/events") {
			return "events have no end"
		}
		return ""
	}})
	mux := http.NewServeMux()
	h := a.Middleware(mux)
	for i := range 250 {
		for _, kind := range []string{"orders", "events"} {
			target := fmt.Sprintf("/%s%d", kind, i)
			mux.HandleFunc(target, handleOrder)
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil))
		}
	}
	text := show(a, http.MethodGet, "/", "").Body.String()
	if got := strings.Count(text, "<section"); got != 400 {
		t.Errorf("got %d sites, want 200 of each kind", got)
	}
	if got := strings.Count(text, "and 50 sites more in the JSON form"); got != 2 {
		t.Errorf("got %d times that there are 50 more, want twice", got)
	}
}
