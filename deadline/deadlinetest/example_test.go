package deadlinetest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/firebreak-go/firebreak/deadline"
	"github.com/firebreak-go/firebreak/deadline/deadlinetest"
)

// shop is the code that is tested.
type shop struct{ client *http.Client }

func (s *shop) price(ctx context.Context, url string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestShop(t *testing.T) {
	prices := httptest.NewServer(http.NotFoundHandler())
	defer prices.Close()
	// snippet: fail
	auditor := deadline.New(deadline.Config{})
	deadlinetest.FailOnUnbounded(t, auditor, deadlinetest.Allow{
		Op: "sql.exec", Function: "shop.(*Store).Migrate", Reason: "migrations take as long as they take",
	})
	s := &shop{client: &http.Client{Transport: auditor.RoundTripper(nil)}}
	// end snippet
	if status, err := s.price(t.Context(), prices.URL); err != nil || status != http.StatusNotFound {
		t.Errorf("got %d, %v", status, err)
	}
}
