package ta403

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

type server struct{ config *oauth2.Config }

func (s *server) callback(w http.ResponseWriter, r *http.Request) {
	_, _ = s.config.Exchange(r.Context(), r.FormValue("code")) // want `TA403: oauth2.Config.Exchange waits on the context of the request`
}

func (s *server) limited(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	_, _ = s.config.Exchange(ctx, r.FormValue("code"))
}
