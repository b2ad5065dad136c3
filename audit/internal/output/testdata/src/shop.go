// Package shop asks others without a limit.
package shop

import (
	"context"
	"net/http"
)

var client = &http.Client{}

func price(ctx context.Context, item string) (*http.Response, error) {
	/* 値段 😀 */ request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://prices.example/"+item, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(request)
}

func refresh() {
	_, _ = price(context.Background(), "all")
	http.ListenAndServe(":80", nil)
}
