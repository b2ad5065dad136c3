package deadline

import (
	"bytes"
	_ "embed" // of the page
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"took": took,
	"sites": func(n int) string {
		if n == 1 {
			return "1 site"
		}
		return strconv.Itoa(n) + " sites"
	},
	"time": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
}).Parse(pageText))

// ServeHTTP shows the report: a page that needs nothing from elsewhere, or JSON if the
// request has format=json in its query or asks for application/json.
func (a *Auditor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "want GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	report := a.Report()
	var b bytes.Buffer
	var err error
	if wantsJSON(r) {
		header.Set("Content-Type", "application/json")
		encoder := json.NewEncoder(&b)
		encoder.SetIndent("", "\t")
		err = encoder.Encode(report)
	} else {
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		err = page.Execute(&b, newPageData(report))
	}
	if err != nil { // of our own template: a bug
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Vary", "Accept")
	header.Set("Content-Length", strconv.Itoa(b.Len()))
	_, _ = b.WriteTo(w) // who has gone need not be told
}

// wantsJSON reports whether the query or the header asks for JSON rather than a page.
func wantsJSON(r *http.Request) bool {
	if format := r.URL.Query().Get("format"); format != "" {
		return format == "json"
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}

// maxShown is how many sites the page shows of each kind. JSON has them all.
const maxShown = 200

// pageData is what the page shows.
type pageData struct {
	Report
	Sites, Declared  []pageSite
	Hidden, HiddenBy int // sites that are left out, and of those by design
}

type pageSite struct {
	Site
	Stuck bool
}

func newPageData(r Report) pageData {
	data := pageData{Report: r}
	for _, s := range r.Sites {
		shown := pageSite{s, s.Reason == "" && s.LongestInFlight >= r.StuckAfter}
		switch {
		case s.Reason == "" && len(data.Sites) < maxShown:
			data.Sites = append(data.Sites, shown)
		case s.Reason == "":
			data.Hidden++
		case len(data.Declared) < maxShown:
			data.Declared = append(data.Declared, shown)
		default:
			data.HiddenBy++
		}
	}
	return data
}

// Window is how long was looked.
func (d pageData) Window() time.Duration { return d.Time.Sub(d.Since) }

// Unlisted is how many stuck calls are not in the list.
func (d pageData) Unlisted() int { return d.StuckCalls - len(d.Report.Stuck) }

// Where is the frame that a site is looked for at.
func (s pageSite) Where() string {
	if len(s.Frames) == 0 {
		return ""
	}
	return s.Frames[0].String()
}

// Caller is the frame that it is told apart from others by, if that made the call
// through the same function.
func (s pageSite) Caller() string {
	if len(s.Frames) < 2 {
		return ""
	}
	return s.Frames[1].String()
}

// Ended is how many calls are over.
func (s pageSite) Ended() (n int64) {
	for b := range slices.Values(s.Durations) {
		n += b.Calls
	}
	return n
}

// took returns d as people read it.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		text := d.Round(time.Second).String()
		if short, ok := strings.CutSuffix(text, "m0s"); ok {
			text = short + "m"
		}
		if short, ok := strings.CutSuffix(text, "h0m"); ok {
			text = short + "h"
		}
		return text
	}
}
