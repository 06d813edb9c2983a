# Needs: Rscript
cat > t.R <<'R'
set.seed(1); x <- rnorm(200); print(summary(x)); m <- lm(mpg ~ wt + hp, mtcars); print(coef(m)); print(table(cut(x, 3)))
write.csv(head(iris), "i.csv"); print(read.csv("i.csv")$Species); print(system("echo sh", intern = TRUE)); pdf("p.pdf"); plot(x); invisible(dev.off()); print(file.exists("p.pdf"))
print(solve(matrix(c(2, 1, 1, 3), 2))); print(unlist(parallel::mclapply(1:4, function(i) i^2, mc.cores = 2))); saveRDS(x, "x.rds"); print(identical(x, readRDS("x.rds")))
R
Rscript t.R; Rscript -e 'quit(status = 3)'; echo $?
