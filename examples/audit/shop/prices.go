package main

import (
	"context"
	"io"
	"net/http"

	"github.com/firebreak-go/firebreak/deadline"
)

// A publisher tells others what was sold. What stands behind it, and whether it waits, no
// reading of the code can tell.
type publisher interface {
	publish(ctx context.Context, text string) error
}

// queue stands for a client of a message queue, which tells the runtime auditor of its calls.
type queue struct{ auditor *deadline.Auditor }

func (q queue) publish(ctx context.Context, _ string) error {
	return q.auditor.Check(ctx, "queue.publish")
}

// prices asks another service. Its client is limited by what its callers give it: they
// have a context of a request, which has no deadline.
type prices struct {
	client *http.Client
	events publisher
	url    string
}

func newPrices(transport http.RoundTripper, events publisher) *prices {
	return &prices{client: &http.Client{Transport: transport}, events: events}
}

func (p *prices) handle(w http.ResponseWriter, r *http.Request) {
	text, err := p.price(r.Context(), r.PathValue("item"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if err := p.events.publish(r.Context(), text); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	_, _ = io.WriteString(w, text)
}

func (p *prices) price(ctx context.Context, item string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"?item="+item, nil)
	if err != nil {
		return "", err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}
