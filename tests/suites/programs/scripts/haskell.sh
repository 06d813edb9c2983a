# Needs: ghc
cat > t.hs <<'H'
import Control.Concurrent
import Control.Monad
import qualified Data.Map as M
import System.IO
import System.Exit
main :: IO ()
main = do
  print (sum [x * x | x <- [1 .. 1000 :: Integer]])
  print (M.toList (M.fromListWith (+) [(c, 1 :: Int) | c <- "mississippi"]))
  done <- newEmptyMVar
  forM_ [1 .. 20 :: Int] $ \i -> forkIO (threadDelay (i * 100) >> putMVar done i)
  xs <- replicateM 20 (takeMVar done)
  print (sum xs)
  writeFile "f" "hello\n" >> readFile "f" >>= putStr
  hPutStrLn stderr "to stderr"
  exitWith (ExitFailure 5)
H
ghc -v0 -O t.hs -o t 2>&1; ./t; echo $?; ghc -v0 -threaded -rtsopts t.hs -o tt 2>&1 -outputdir o; ./tt +RTS -N2; echo $?; runghc t.hs; echo $?
