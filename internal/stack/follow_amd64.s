//go:build gc && !purego

#include "textflag.h"

// func follow(from unsafe.Pointer, pcs *uintptr, limit int) int
//
// A frame pointer points to that of the caller; the return address is above it. A g
// begins with the bounds of its stack.
TEXT ·follow(SB), NOSPLIT|NOFRAME, $0-32
	MOVQ pcs+8(FP), DI
	MOVQ limit+16(FP), CX
	XORQ AX, AX
	MOVQ (TLS), DX
	MOVQ 0(DX), SI // the least address of the stack
	MOVQ 8(DX), DX // the one after its last
	SUBQ $16, DX
	MOVQ from+0(FP), BX
	TESTQ BX, BX
	JNZ  next
	MOVQ BP, BX

next:
	CMPQ AX, CX
	JGE  end
	TESTQ BX, BX
	JZ   end
	CMPQ BX, SI
	JLO  lost
	CMPQ BX, DX
	JHI  lost
	MOVQ 8(BX), R8
	MOVQ R8, (DI)(AX*8)
	INCQ AX
	LEAQ 1(BX), SI // outwards only
	MOVQ (BX), BX
	JMP  next

lost:
	MOVQ $-1, AX

end:
	MOVQ AX, ret+24(FP)
	RET
