package peers

import "math"

// A correlation is that of the last fifty pairs of values, by Pearson.
type correlation struct {
	xs, ys [50]float64
	n      int // pairs so far
}

// add adds a pair, of values that are not 0, and returns the correlation and the
// coefficient of variation of the second value. The correlation is 0 for the first
// nine pairs, and while one of the values varies by less than 1 %.
func (c *correlation) add(x, y float64) (r, variationY float64) {
	c.xs[c.n%len(c.xs)], c.ys[c.n%len(c.ys)] = x, y
	c.n++
	if c.n < warmup {
		return 0, 0
	}
	n := min(c.n, len(c.xs))
	meanX, meanY := mean(c.xs[:n]), mean(c.ys[:n])
	var varX, varY, cov float64
	for i := range n {
		dx, dy := c.xs[i]-meanX, c.ys[i]-meanY
		varX += dx * dx / float64(n)
		varY += dy * dy / float64(n)
		cov += dx * dy / float64(n)
	}
	const least = 0.01
	variationX, variationY := math.Sqrt(varX)/meanX, math.Sqrt(varY)/meanY
	if variationX < least || variationY < least {
		return 0, variationY
	}
	return cov / math.Sqrt(varX*varY), variationY
}

func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
